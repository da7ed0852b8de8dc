// The prompts and completions come in parts, each a JSON text that is parsed when it is first shown. Small
// reports have them in this file; those of large ones are scripts in the folder next to it, because a page
// that is opened from disk may load scripts and nothing else.

const parts = new Map();
const waiting = new Map();

// Called by the scripts of the folder.
window.recodePart = (number, text) => {
  const made = JSON.parse(text);
  parts.set(number, Promise.resolve(made));
  const then = waiting.get(number);
  if (then) then(made);
};

function loadPart(number) {
  if (parts.has(number)) return parts.get(number);
  const embedded = document.getElementById('part-' + number);
  const loaded = embedded
    ? Promise.resolve().then(() => JSON.parse(embedded.textContent))
    : fromFolder(number);
  parts.set(number, loaded);
  return loaded;
}

function fromFolder(number) {
  const file = `${DATA.parts_folder}/part-${String(number).padStart(4, '0')}.js`;
  return new Promise((resolve, reject) => {
    waiting.set(number, resolve);
    const failed = () => {
      parts.delete(number);
      reject(new Error(`${file} cannot be read; keep the folder ${DATA.parts_folder}/ next to this file`));
    };
    document.head.append(el('script', { src: file, onerror: failed }));
  });
}
