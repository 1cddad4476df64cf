'use strict';
// Everything here is a comfort: without it the page is whole, and its boxes and links work.

const rows = [...document.querySelectorAll('.matrix tr:not(.sev)')].filter((row) => row.querySelector('th[scope=row]'));
// What a row leads to; a row that leads nowhere is all there is to it.
const sections = rows.map((row) => document.getElementById(row.querySelector('a')?.hash.slice(1))?.closest('.sc, .cell') ?? row);
let words = null;

function find() {
  const asked = document.getElementById('find').value.toLowerCase().split(/\s+/).filter(Boolean);
  // A large page has much to read: only when somebody looks for something, and once.
  if (asked.length > 0) words ??= sections.map((section, at) => `${rows[at].textContent} ${section.textContent}`.toLowerCase());
  let found = 0;
  rows.forEach((row, at) => {
    const isFound = asked.every((word) => words[at].includes(word));
    row.hidden = sections[at].hidden = !isFound;
    found += isFound;
  });
  document.getElementById('found').textContent = asked.length > 0 ? `${found} of ${rows.length}` : '';
}

// Browsers that do not open what a link leads to.
function reveal() {
  const target = document.getElementById(location.hash.slice(1));
  const closed = target?.closest('details:not([open])');
  if (closed) {
    closed.open = true;
    target.scrollIntoView();
  }
}

async function copy(button, text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const range = document.createRange();
    range.selectNodeContents(button.previousSibling);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    document.execCommand('copy');
  }
  button.textContent = 'copied';
  setTimeout(() => { button.textContent = 'copy'; }, 1500);
}

// A button for each trial is made when the trial is opened: there may be thousands.
document.addEventListener('toggle', (event) => {
  const line = event.target.open && event.target.querySelector(':scope > .in > .cmd:not(:has(button))');
  if (!line) return;
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = 'copy';
  button.setAttribute('aria-label', 'copy the command');
  button.addEventListener('click', () => copy(button, line.firstChild.textContent));
  line.append(button);
}, true);

document.getElementById('search').hidden = false;
document.getElementById('find').addEventListener('input', find);
addEventListener('hashchange', reveal);
addEventListener('beforeprint', () => {
  for (const cell of document.querySelectorAll('.cell:not(.p, .s)')) cell.open = true;
});
reveal();
