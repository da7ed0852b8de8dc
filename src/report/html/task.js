// One task: its prompt, and the completions of all rows side by side, with what their tests said.

const VERDICTS = {
  P: 'passed', A: 'an assertion failed', E: 'an exception', T: 'ran into the time limit', D: 'died', U: 'not judged',
};

let dialog = null;
let opened = null;

// Opens a task; `order` are the tasks of the grid as it is sorted now, for the next and the previous one.
function openTask(benchmark, index, order, row) {
  opened = { benchmark, index, order, row };
  if (!dialog) {
    dialog = el('dialog', { id: 'task', 'aria-labelledby': 'task-name', onkeydown: taskKeys, onclose: () => {
      opened = null;
      history.replaceState(null, '', '#tasks');
    } });
    document.body.append(dialog);
  }
  showTask();
  if (!dialog.open) dialog.showModal();
}

function taskKeys(event) {
  if (event.target.closest('pre, select, input')) return;
  const by = { ArrowRight: 1, n: 1, ArrowLeft: -1, p: -1 }[event.key];
  if (by) {
    stepTask(by);
    event.preventDefault();
  }
}

function stepTask(by) {
  const to = opened.order[opened.order.indexOf(opened.index) + by];
  if (to === undefined) return;
  opened.index = to;
  showTask();
}

function showTask() {
  const { benchmark: number, index, order } = opened;
  const benchmark = DATA.benchmarks[number];
  const task = benchmark.tasks[index];
  const place = order.indexOf(index);
  history.replaceState(null, '', `#task/${number}/${index}`);
  const body = el('div', { class: 'body' }, 'loading …');
  const button = (text, by, isOff) => el('button', { type: 'button', onclick: () => stepTask(by), disabled: isOff }, text);
  const about = [benchmark.name, task.kind, task.group && task.group !== task.id ? `group ${task.group}` : null];
  dialog.replaceChildren(el('div', { class: 'head' },
    el('h3', { id: 'task-name' }, task.id), el('span', { class: 'soft' }, about.filter(Boolean).join(' · ')),
    el('div', { class: 'push' }, button('← previous', -1, place <= 0), button('next →', 1, place + 1 >= order.length),
      el('button', { type: 'button', autofocus: true, onclick: () => dialog.close() }, 'close'))), body);
  dialog.scrollTop = 0;
  if (task.part === null) {
    body.replaceChildren(el('p', { class: 'soft' }, 'The samples of this task are not in the folder of results.'));
    return;
  }
  const isShown = () => opened && opened.index === index && opened.benchmark === number;
  loadPart(task.part).then(
    (part) => { if (isShown()) body.replaceChildren(...taskBody(benchmark, task, part.tasks[task.place])); },
    (error) => body.replaceChildren(el('p', { class: 'bad' }, error.message)),
  );
}

function taskBody(benchmark, task, found) {
  const prompts = found.prompts.map((prompt, place) => el('details', { open: true },
    el('summary', {}, found.prompts.length > 1 ? `prompt ${place + 1} of ${found.prompts.length}` : 'prompt'),
    prompt.error ? el('p', { class: 'soft' }, prompt.error) : prompt.messages.map(({ role, text }) =>
      [role ? el('div', { class: 'soft small' }, role) : null, pre(text, 'prompt')])));
  const target = found.target === null ? null : el('details', {}, el('summary', {}, 'reference solution'), pre(found.target, 'reference solution'));
  const all = benchmark.runs.map((run, place) => ({ run, found: found.runs[place], letters: task.marks[place] }))
    .filter(({ letters }) => letters.length > 0);
  const seeds = [...new Set(all.map(({ run }) => run.seed))];
  const side = el('div');
  const choose = (seed) => {
    opened.seed = seed;
    side.replaceChildren(completions(found, all.filter(({ run }) => seed === '' || run.seed === Number(seed))));
    // The row that was clicked; there is nothing to scroll before the page is laid out.
    const top = side.querySelector(`[data-row="${opened.row}"]`);
    requestAnimationFrame(() => top?.scrollIntoView({ block: 'nearest', inline: 'nearest' }));
  };
  const chosen = opened.seed === undefined || !(opened.seed === '' || seeds.includes(Number(opened.seed))) ? String(seeds[0]) : opened.seed;
  const names = [...seeds.map((seed) => [String(seed), String(seed)]), ['', 'all']];
  const bar = seeds.length > 1 ? el('div', { class: 'bar' }, select('seed', names, chosen, choose)) : null;
  choose(chosen);
  return [...prompts, target, el('h4', {}, 'completions'), bar, side].filter(Boolean);
}

// The completions of some runs, side by side.
function completions(found, runs) {
  const side = el('div', { class: 'side' });
  side.style.gridTemplateColumns = `repeat(${runs.length}, minmax(320px, 1fr))`;
  side.append(...runs.map(({ run, found: samples, letters }) => el('div', { class: 'top', 'data-row': run.row },
    `${DATA.rows[run.row]} · seed ${run.seed}`,
    el('div', { class: 'soft small' }, `${[...letters].filter((letter) => letter === 'P').length} of ${letters.length} passed`
      + (found.prompts.length > 1 && samples ? ` · prompt ${samples.prompt + 1}` : '')))));
  const most = Math.max(0, ...runs.map(({ letters }) => letters.length));
  for (let number = 0; number < most; number += 1) {
    side.append(...runs.map(({ found: samples, letters }) => sampleBox(samples?.samples[number], letters[number], number)));
  }
  return side;
}

function sampleBox(sample, letter, number) {
  if (letter === undefined) return el('div');
  const badge = el('span', { class: `badge ${letter === 'P' ? 'good' : 'bad'}` }, VERDICTS[letter] || letter);
  const head = el('div', { class: 'small' }, `sample ${number + 1} `, badge);
  if (!sample) return el('div', {}, head, el('p', { class: 'soft small' }, 'The text is not in the folder of results.'));
  head.append(` ${sample.tokens} tokens`);
  if (sample.is_truncated) head.append(el('span', { class: 'warn' }, ' · cut at the limit'));
  const tests = sample.tests.map(([run, letters]) => el('div', { class: 'small' }, `${run}: `, el('span', { class: 'letters' }, letters)));
  const measures = sample.measures.map(([name, holds]) => el('div', { class: 'small soft' }, `${name}: ${holds ? 'yes' : 'no'}`));
  const inputs = sample.inputs.map(([run, input]) => el('div', { class: 'small' }, `first failed input of ${run}: `, el('code', {}, input)));
  return el('div', {}, head, sample.message ? pre(sample.message, 'output of the tests') : null, tests, measures, inputs, pre(sample.text, 'completion'));
}
