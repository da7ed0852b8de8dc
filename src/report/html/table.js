// The table of the experiment, as table.md has it.

function resultTable(table) {
  const [headings, ...lines] = table.lines;
  const about = el('p', { class: 'detail small soft', role: 'status' });
  const show = (detail) => () => { about.textContent = detail; };
  const cell = (text, detail) => el('td', {}, detail
    ? el('button', { type: 'button', title: detail, onclick: show(detail), onfocus: show(detail) }, text) : text);
  const line = (texts, place) => el('tr', {}, texts.map((text, column) => {
    const detail = (table.details[place] || [])[column];
    return column < table.labels ? el('th', { scope: 'row' }, text) : cell(text, detail);
  }));
  return [el('div', { class: 'scroll' }, el('table', { class: 'results' },
    el('thead', {}, el('tr', {}, headings.map((text) => el('th', { scope: 'col' }, text)))),
    el('tbody', {}, lines.map(line)))), table.details.length ? about : null];
}

function tableSection() {
  const blocks = DATA.tables.flatMap((table) =>
    [table.title ? el('h3', {}, table.title) : null, ...resultTable(table)]);
  return [...blocks, el('ul', { class: 'marks small' }, DATA.marks.map((mark) => el('li', {}, mark)))];
}
