// The grid of tasks by rows: which row solves which task, and how often.

// How many samples of a row have passed, over all its seeds.
function solved(benchmark, task, row) {
  let [passed, all] = [0, 0];
  benchmark.runs.forEach((run, place) => {
    if (run.row !== row) return;
    const letters = task.marks[place];
    all += letters.length;
    for (const letter of letters) passed += letter === 'P' ? 1 : 0;
  });
  return { passed, all, share: all ? passed / all : null };
}

const FILTERS = [
  ['all', 'all tasks', () => true],
  ['differ', 'tasks on which rows differ', (shares) => Math.max(...shares) > Math.min(...shares)],
  ['none', 'tasks that no row solves', (shares) => Math.max(...shares) === 0],
  ['every', 'tasks that every row always solves', (shares) => Math.min(...shares) === 1],
];

const spread = (shares) => Math.max(...shares) - Math.min(...shares);
const total = (shares) => shares.reduce((sum, share) => sum + share, 0);
const ORDERS = [
  ['file', 'in the benchmark’s order', null],
  ['spread', 'largest difference first', (a, b) => spread(b.shares) - spread(a.shares)],
  ['hard', 'least solved first', (a, b) => total(a.shares) - total(b.shares)],
  ['easy', 'most solved first', (a, b) => total(b.shares) - total(a.shares)],
];

// Lines that are made at once; the others follow when there is time.
const AT_ONCE = 150;

function tasksSection() {
  if (DATA.benchmarks.length === 0) return el('p', { class: 'soft' }, 'No evaluation of this experiment has finished yet.');
  const place = el('div');
  const choose = (number) => place.replaceChildren(...benchmarkGrid(Number(number)));
  choose(0);
  const names = DATA.benchmarks.map(({ name, tasks }, number) => [String(number), `${name} (${tasks.length} tasks)`]);
  return [el('div', { class: 'bar' }, select('benchmark', names, '0', choose)), place];
}

function benchmarkGrid(number) {
  const benchmark = DATA.benchmarks[number];
  const rows = [...new Set(benchmark.runs.map((run) => run.row))];
  const lines = benchmark.tasks.map((task, index) => {
    const cells = rows.map((row) => solved(benchmark, task, row));
    return { task, index, cells, shares: cells.map((cell) => cell.share).filter((share) => share !== null) };
  });
  const choice = { filter: 'all', order: 'file', kind: '', text: '', by: '', not: '' };
  // Whether a chosen row solves a task at least once; `otherwise` if no row is chosen.
  const solves = (cells, row, otherwise) => (row === '' ? otherwise : cells[Number(row)].passed > 0);
  const count = el('span', { class: 'soft small', role: 'status' });
  const body = el('tbody', { onkeydown: moveInGrid });
  let shown = [];

  function update() {
    const [, , isMeant] = FILTERS.find(([name]) => name === choice.filter);
    const [, , compare] = ORDERS.find(([name]) => name === choice.order);
    const text = choice.text.toLowerCase();
    shown = lines.filter(({ task, shares, cells }) => isMeant(shares) && (!choice.kind || task.kind === choice.kind)
      && solves(cells, choice.by, true) && !solves(cells, choice.not, false)
      && (task.id + ' ' + (task.kind || '')).toLowerCase().includes(text));
    if (compare) shown = [...shown].sort(compare);
    count.textContent = `${shown.length} of ${lines.length} tasks`;
    body.replaceChildren();
    append(shown, 0);
  }

  function append(list, from) {
    if (list !== shown) return;
    body.append(...list.slice(from, from + AT_ONCE).map(line));
    if (from + AT_ONCE < list.length) setTimeout(() => append(list, from + AT_ONCE));
  }

  function line({ task, index, cells }) {
    const open = (row) => openTask(number, index, shown.map((one) => one.index), row);
    return el('tr', {}, el('th', { scope: 'row' }, task.id), hasKinds ? el('td', { class: 'soft small kind' }, task.kind) : null,
      cells.map((cell, column) => el('td', { class: 'cell' }, cellButton(cell, DATA.rows[rows[column]], () => open(rows[column])))));
  }

  const kinds = [...new Set(benchmark.tasks.map((task) => task.kind).filter(Boolean))].sort();
  const hasKinds = kinds.length > 0;
  const rowNames = [['', '–'], ...rows.map((row, column) => [String(column), DATA.rows[row]])];
  const set = (key) => (value) => { choice[key] = value; update(); };
  const bar = el('div', { class: 'bar' },
    el('label', {}, 'search', el('input', { type: 'search', placeholder: 'name or kind', oninput: (event) => set('text')(event.target.value) })),
    hasKinds ? select('kind', [['', 'all kinds'], ...kinds.map((kind) => [kind, kind])], '', set('kind')) : null,
    select('show', FILTERS.map(([name, text]) => [name, text]), 'all', set('filter')),
    select('solved by', rowNames, '', set('by')), select('and not by', rowNames, '', set('not')),
    select('sort', ORDERS.map(([name, text]) => [name, text]), 'file', set('order')), count);
  const head = el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'task'),
    hasKinds ? el('th', { scope: 'col' }, 'kind') : null, rows.map((row) => el('th', { scope: 'col', class: 'cell' }, DATA.rows[row]))));
  update();
  const once = rows.map((row, column) => `${DATA.rows[row]} ${lines.filter((one) => one.cells[column].passed > 0).length}`);
  return [bar, el('div', { class: 'grid', id: 'grid' }, el('table', {}, head, body)),
    el('p', { class: 'soft small' }, `Tasks solved at least once: ${once.join(', ')}. `
      + 'A cell has the passed samples of all samples, seeds together. Arrow keys move between cells; Enter opens one.')];
}

function cellButton(cell, row, open) {
  if (cell.all === 0) return el('span', { class: 'soft' }, '–');
  const button = el('button', {
    type: 'button', onclick: open, 'aria-label': `${row}: ${cell.passed} of ${cell.all} passed`,
  }, `${cell.passed}/${cell.all}`);
  button.style.setProperty('--solved', (0.6 * cell.share).toFixed(2));
  return button;
}

// Arrow keys go from cell to cell.
function moveInGrid(event) {
  const cell = event.target.closest('td.cell');
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  if (!cell || !step) return;
  const line = cell.parentElement;
  const next = step[0] === 0 ? line : step[0] < 0 ? line.previousElementSibling : line.nextElementSibling;
  next?.children[cell.cellIndex + step[1]]?.querySelector('button')?.focus();
  event.preventDefault();
}
