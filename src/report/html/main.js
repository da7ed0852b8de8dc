// The page: its sections, and the theme.

function theme() {
  const names = [['', 'system'], ['light', 'light'], ['dark', 'dark']];
  const label = select('theme', names, '', (name) => {
    if (name) document.documentElement.dataset.theme = name;
    else delete document.documentElement.dataset.theme;
  });
  label.classList.add('push', 'small');
  return label;
}

function main() {
  DATA.is_smooth = true;
  const sections = [
    ['table', 'Table', tableSection], ['figures', 'Figures', figuresSection], ['tasks', 'Tasks', tasksSection],
    ['training', 'Completions of trainings', trainingSection], ['jobs', 'Jobs and settings', jobsSection],
  ];
  const page = document.getElementById('page');
  page.append(el('header', {}, el('h1', {}, DATA.experiment), DATA.description ? el('p', {}, DATA.description) : null,
    DATA.made_by.map((line) => el('p', { class: 'soft small' }, line))),
  el('nav', { 'aria-label': 'sections' }, sections.map(([id, title]) => el('a', { href: `#${id}` }, title)), theme()));
  const body = el('main');
  page.append(body);
  for (const [id, title, make] of sections) {
    body.append(el('section', { 'aria-labelledby': id }, el('h2', { id }, title), make()));
  }
  const [, benchmark, index] = /^#task\/(\d+)\/(\d+)$/.exec(location.hash) || [];
  const tasks = DATA.benchmarks[Number(benchmark)]?.tasks;
  if (tasks?.[Number(index)]) openTask(Number(benchmark), Number(index), tasks.map((_, place) => place), 0);
}

main();
