// Of every page, with a server or without: its elements, and answers that stay in this browser.
"use strict";
function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const answers = () => [...document.querySelectorAll(".answer input, .answer select, .essay")];
const label = box => box.ariaLabel ?? box.labels[0].textContent;
const place = label => `${location.pathname}#${label}`;

// By page and box, over a reload; `follow` is told of what is written now and was written before.
function remember(box, follow = () => {}) {
  const key = place(label(box)), before = localStorage.getItem(key);
  box.addEventListener("input", () => { localStorage.setItem(key, box.value); follow(); });
  if (before) { box.value = before; follow(); }
}

document.getElementById("download").addEventListener("click", () => {
  const text = [document.title, ...answers().map(box => `${label(box)}: ${box.value}`)].join("\n\n");
  const link = make("a", { href: URL.createObjectURL(new Blob([text + "\n"])),
                           download: `${document.title}.txt` });
  link.click();
  URL.revokeObjectURL(link.href);
});
