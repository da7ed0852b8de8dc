// What trainings have sampled: the completions of a step by prompt, with the parts of their rewards.

function trainingSection() {
  if (DATA.trainings.length === 0) {
    return el('p', { class: 'soft' }, 'No finished training of this experiment has kept completions (train.samples_every).');
  }
  const place = el('div');
  const steps = el('div', { class: 'bar' });
  function choose(number) {
    const training = DATA.trainings[Number(number)];
    const names = training.steps.map(({ step }, index) => [String(index), `step ${step}`]);
    const show = (index) => showStep(place, training.steps[Number(index)]);
    steps.replaceChildren(select('step', names, '0', show), el('span', { class: 'soft small' },
      `${training.steps.length} of the ${training.of} steps whose completions were kept`));
    show('0');
  }
  choose('0');
  const names = DATA.trainings.map(({ label, seed, job }, number) => [String(number), `${label}, seed ${seed} (${job})`]);
  return [el('div', { class: 'bar' }, select('training', names, '0', choose)), steps, place];
}

function showStep(place, step) {
  place.shown = step;
  loadPart(step.part).then((part) => {
    if (place.shown === step) place.replaceChildren(...part.steps[step.place].groups.map(group));
  }, (error) => place.replaceChildren(el('p', { class: 'bad' }, error.message)));
}

function group({ row, prompt, samples }) {
  const rewards = samples.map((sample) => sample.reward.total);
  const mean = rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length;
  const about = ` · ${samples.length} completions · reward ${inFigures(mean)}, from ${inFigures(Math.min(...rewards))} to ${inFigures(Math.max(...rewards))}`;
  const whole = el('details', {}, el('summary', {}, el('b', {}, row), el('span', { class: 'soft' }, about)));
  // Made when it is opened: a step may have thousands of completions.
  whole.addEventListener('toggle', () => {
    if (!whole.open || whole.children.length > 1) return;
    const head = ['reward', 'format', 'correctness', 'overlong', 'advantage', 'tokens', 'completion'];
    const lines = [...samples].sort((a, b) => b.reward.total - a.reward.total).map((sample) => el('tr', {},
      [sample.reward.total, sample.reward.format, sample.reward.correctness, sample.reward.overlong, sample.advantage]
        .map((value) => el('td', {}, inFigures(value))),
      el('td', {}, sample.tokens, sample.is_truncated ? el('span', { class: 'warn' }, ' cut') : null),
      el('td', {}, pre(sample.text, 'completion'))));
    whole.append(el('h4', {}, 'prompt'), pre(prompt, 'prompt'), el('div', { class: 'scroll' }, el('table', { class: 'numbers' },
      el('thead', {}, el('tr', {}, head.map((text) => el('th', { scope: 'col' }, text)))), el('tbody', {}, lines))));
  });
  return whole;
}
