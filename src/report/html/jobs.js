// The jobs: settings and where they came from, digests, measures, and the history of each.

function list(title, headings, lines) {
  if (lines.length === 0) return null;
  return [el('h4', {}, title), el('div', { class: 'scroll' }, el('table', { class: 'small' },
    el('thead', {}, el('tr', {}, headings.map((text) => el('th', { scope: 'col' }, text)))),
    el('tbody', {}, lines.map((line) => el('tr', {}, line.map((text) => el('td', {}, el('code', {}, text))))))))];
}

function job(one) {
  const whole = el('details', { id: one.id }, el('summary', {}, el('code', {}, one.id), ` ${one.what} `,
    el('span', { class: one.is_done ? 'good' : 'warn' }, one.state),
    one.warnings.length ? el('span', { class: 'warn' }, one.warnings.length > 1 ? ` · ${one.warnings.length} warnings` : ' · a warning') : null));
  // Made when it is opened: there may be hundreds of jobs.
  whole.addEventListener('toggle', () => {
    if (!whole.open || whole.children.length > 1) return;
    const made = [one.warnings.map((text) => el('p', { class: 'warn' }, text)),
      list('measures', ['measure', 'value'], one.measures),
      list('settings', ['key', 'value', 'set by'], one.settings),
      list('digests', ['of', 'BLAKE3'], one.digests),
      ...one.attempts.map((attempt, place) => list(`attempt ${place + 1}`, ['what', 'value'], attempt))];
    whole.append(...made.flat(2).filter(Boolean));
  });
  return whole;
}

function jobsSection() {
  return [el('p', { class: 'soft small' }, '“set by” is the file and line, the variable or the flag that gave the value; “this row” is an axis of the grid.'),
    ...DATA.jobs.map(job)];
}
