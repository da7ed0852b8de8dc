// A figure: curves against the step, or points with intervals, with the values under the pointer. The legend is
// below the curves.

const CHART = { width: 620, height: 300, left: 58, right: 610, top: 12, bottom: 258 };

// The smallest of 1, 2 and 5 times a power of ten that makes at most so many marks.
function spacing(range, most) {
  const least = range / most;
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5].find((factor) => factor * power >= least * (1 - 1e-9)) || 10);
}

function marks(low, high, step) {
  const found = [];
  if (!(step > 0) || !Number.isFinite(low) || !Number.isFinite(high)) return found;
  for (let number = Math.ceil(low / step - 1e-9); number * step <= high + step * 1e-9; number += 1) {
    found.push(Number((number * step).toPrecision(12)));
  }
  return found;
}

function chart(figure) {
  const hidden = new Set();
  const picture = svg('svg', {
    class: 'chart', viewBox: `0 0 ${CHART.width} ${CHART.height}`, tabindex: 0, role: 'img',
    'aria-label': `${figure.title}, by ${figure.across}. The arrow keys show the values.`,
  });
  const values = el('div', { class: 'values', role: 'status', hidden: true });
  const legend = el('ul', { class: 'legend' }, figure.curves.map((curve) => {
    const button = el('button', { type: 'button', 'aria-pressed': 'true', onclick: () => {
      if (!hidden.delete(curve)) hidden.add(curve);
      button.setAttribute('aria-pressed', String(!hidden.has(curve)));
      draw();
    } }, sample(curve), curve.label);
    return el('li', {}, button);
  }));
  const state = { step: null, scale: null };

  function draw() {
    state.scale = paint(picture, figure, figure.curves.filter((curve) => !hidden.has(curve)));
    show(null);
  }

  function show(step) {
    state.step = step;
    picture.querySelector('.cursor')?.remove();
    values.hidden = step === null;
    if (step === null) return;
    const x = state.scale.x(step);
    picture.append(svg('line', { class: 'cursor', x1: x, x2: x, y1: CHART.top, y2: CHART.bottom }));
    const visible = figure.curves.filter((curve) => !hidden.has(curve));
    const lines = visible.map((curve) => valueLine(curve, figure, step)).filter(Boolean);
    values.replaceChildren(el('b', {}, where(figure, step)), el('table', {}, lines));
    const isRight = x > CHART.width / 2;
    values.style.left = isRight ? '' : `${(100 * (x + 10)) / CHART.width}%`;
    values.style.right = isRight ? `${100 - (100 * (x - 10)) / CHART.width}%` : '';
    values.style.top = '40px';
  }

  function move(event) {
    const box = picture.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * CHART.width;
    show(nearest(state.scale.steps, state.scale.step(x)));
  }

  function press(event) {
    const { steps } = state.scale;
    const place = state.step === null ? -1 : steps.indexOf(state.step);
    const to = { ArrowRight: place + 1, ArrowLeft: place < 0 ? steps.length - 1 : place - 1,
      Home: 0, End: steps.length - 1 }[event.key];
    if (event.key === 'Escape') show(null);
    else if (to === undefined || steps.length === 0) return;
    else show(steps[Math.max(0, Math.min(steps.length - 1, to))]);
    event.preventDefault();
  }

  picture.addEventListener('pointermove', move);
  picture.addEventListener('pointerleave', () => show(null));
  picture.addEventListener('blur', () => show(null));
  picture.addEventListener('keydown', press);
  draw();
  const whole = el('figure', { id: `figure-${figure.file}` },
    el('figcaption', {}, figure.title), el('div', { class: 'small soft' }, howToRead(figure)),
    picture, values, legend);
  whole.redraw = draw;
  return whole;
}

// A place on the horizontal axis, and what is there.
function where(figure, step) {
  if (!figure.has_points) return `step ${step}`;
  const names = figure.names.filter(([place]) => place === step).map(([, name]) => name);
  return [...names, `${inFigures(step)} nats`].join(', ');
}

function howToRead(figure) {
  const parts = [];
  if (figure.has_points) parts.push('95 % intervals');
  if (figure.smoothing > 0 && DATA.is_smooth) parts.push(`moving average, ${figure.smoothing}`);
  const seeds = Math.max(...figure.curves.map((curve) => curve.seeds));
  if (seeds > 1) parts.push(`mean of ${seeds} seeds; the band is from the lowest to the highest seed`);
  const every = Math.max(...figure.curves.map((curve) => curve.every));
  if (every > 1) parts.push(`every ${every}th step is drawn`);
  if (figure.note) parts.push(figure.note);
  return parts.join(' · ') || 'the values as they were logged';
}

const series = (curve, figure) => (figure.smoothing > 0 && DATA.is_smooth ? curve.smooth : curve.raw);

const stroke = (curve) => ({
  fill: 'none', stroke: curve.colour, 'stroke-width': 2, 'stroke-dasharray': curve.dashes || null,
  'stroke-linejoin': 'round',
});

const sample = (curve) =>
  svg('svg', { width: 30, height: 10, 'aria-hidden': 'true' },
    svg('line', { x1: 0, x2: 30, y1: 5, y2: 5, ...stroke(curve) }));

function valueLine(curve, figure, step) {
  const place = curve.steps.indexOf(step);
  if (place < 0) return null;
  const { mean, lowest, highest } = series(curve, figure);
  const band = lowest && lowest[place] < highest[place] ? `${inFigures(lowest[place])} to ${inFigures(highest[place])}` : '';
  return el('tr', {}, el('td', {}, sample(curve)), el('td', {}, curve.label),
    el('td', {}, inFigures(mean[place])), el('td', { class: 'soft' }, band));
}

function nearest(steps, step) {
  if (steps.length === 0) return null;
  return steps.reduce((best, one) => (Math.abs(one - step) < Math.abs(best - step) ? one : best));
}

// Draws axes and curves, and returns the scale.
function paint(picture, figure, curves) {
  let [low, high] = figure.has_points ? [0, 0] : [Infinity, -Infinity];
  let [first, last] = figure.has_points ? [Infinity, -Infinity] : [0, 1];
  const steps = new Set();
  for (const curve of curves) {
    const { mean, lowest, highest } = series(curve, figure);
    for (const value of lowest || mean) low = Math.min(low, value);
    for (const value of highest || mean) high = Math.max(high, value);
    for (const step of curve.steps) steps.add(step);
    last = Math.max(last, curve.steps[curve.steps.length - 1]);
    if (figure.has_points) first = Math.min(first, curve.steps[0]);
  }
  if (curves.length === 0) [first, last] = [0, 1];
  else if (figure.has_points) [first, last] = [first - (last - first) * 0.05, last + (last - first) * 0.05];
  if (first === last) [first, last] = [first - 0.5, last + 0.5];
  const margin = high > low ? (high - low) * 0.05 : Math.max(Math.abs(high) * 0.05, 0.01);
  [low, high] = curves.length ? [low - margin, high + margin] : [0, 1];
  const { left, right, top, bottom } = CHART;
  const x = (step) => left + ((right - left) * (step - first)) / (last - first);
  const y = (value) => bottom - ((bottom - top) * (value - low)) / (high - low);
  picture.replaceChildren();
  for (const value of marks(low, high, spacing(high - low, 6))) {
    picture.append(svg('line', { class: 'rule', x1: left, x2: right, y1: y(value), y2: y(value) }),
      svg('text', { x: left - 6, y: y(value) + 4, 'text-anchor': 'end' }, inFigures(value)));
  }
  const least = figure.has_points ? 0 : 1;
  for (const step of marks(first, last, Math.max(least, spacing(last - first, 9)))) {
    picture.append(svg('line', { class: 'axis', x1: x(step), x2: x(step), y1: bottom, y2: bottom + 4 }),
      svg('text', { x: x(step), y: bottom + 18, 'text-anchor': 'middle' }, step));
  }
  const middle = (top + bottom) / 2;
  picture.append(svg('line', { class: 'axis', x1: left, x2: left, y1: top, y2: bottom }),
    svg('line', { class: 'axis', x1: left, x2: right, y1: bottom, y2: bottom }),
    svg('text', { x: (left + right) / 2, y: bottom + 36, 'text-anchor': 'middle' }, figure.across),
    svg('text', { x: 12, y: middle, 'text-anchor': 'middle', transform: `rotate(-90 12 ${middle})` }, figure.axis));
  const path = (curve, list) => curve.steps.map((step, place) => `${x(step).toFixed(1)},${y(list[place]).toFixed(1)}`);
  for (const [number, curve] of curves.entries()) {
    const { mean, lowest, highest } = series(curve, figure);
    if (figure.has_points) {
      // Points at one place are drawn next to each other, so that no interval hides another.
      const aside = 4 * (number - (curves.length - 1) / 2);
      curve.steps.forEach((step, place) => picture.append(
        svg('line', {
          class: 'interval', x1: x(step) + aside, x2: x(step) + aside, y1: y(lowest[place]), y2: y(highest[place]),
          stroke: curve.colour,
        }),
        svg('circle', { cx: x(step) + aside, cy: y(mean[place]), r: 4, fill: curve.colour })));
    } else if (lowest) {
      const band = [...path(curve, highest), ...path(curve, lowest).reverse()].join(' ');
      picture.append(svg('polygon', { points: band, fill: curve.colour, 'fill-opacity': 0.15 }));
    }
    picture.append(svg('polyline', { points: path(curve, mean).join(' '), ...stroke(curve) }));
    if (curve.steps.length === 1 && !figure.has_points) {
      picture.append(svg('circle', { cx: x(curve.steps[0]), cy: y(mean[0]), r: 3, fill: curve.colour }));
    }
  }
  return {
    x, steps: [...steps].sort((a, b) => a - b), step: (place) => first + ((place - left) / (right - left)) * (last - first),
  };
}

function figuresSection() {
  if (DATA.figures.length === 0) return el('p', { class: 'soft' }, 'No training of this experiment has finished yet.');
  const charts = DATA.figures.map(chart);
  const box = el('input', { type: 'checkbox', id: 'smooth', checked: true, onchange: (event) => {
    DATA.is_smooth = event.target.checked;
    for (const [place, one] of charts.entries()) {
      one.children[1].textContent = howToRead(DATA.figures[place]);
      one.redraw();
    }
  } });
  return [el('div', { class: 'bar' }, el('label', {}, box, 'moving averages'),
    el('span', { class: 'soft small' }, 'A click on a name hides its curve.')),
  el('div', { class: 'figures' }, charts)];
}
