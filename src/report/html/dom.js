// Making elements. Text from models and data only ever becomes a text node or an attribute's value: nothing
// on this page is parsed as HTML.

const SVG = 'http://www.w3.org/2000/svg';

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

const el = (tag, attributes = {}, ...children) =>
  fill(document.createElement(tag), attributes, children);

const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

// A text as it is, which can be scrolled with the keyboard.
const pre = (text, label) => el('pre', { tabindex: 0, role: 'region', 'aria-label': label }, text);

const percent = (share) => (100 * share).toFixed(1);

// A number with four figures that matter.
function inFigures(value) {
  if (value === null || value === undefined) return '–';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(3);
  return String(Number(value.toPrecision(4)));
}

const options = (names, chosen) =>
  names.map(([value, text]) => el('option', { value, selected: value === chosen }, text));

function select(label, names, chosen, onChange) {
  const list = el('select', { onchange: (event) => onChange(event.target.value) }, options(names, chosen));
  return el('label', {}, label, list);
}
