"use strict";
// One task at a time: without this script, all of them show.
for (const group of document.querySelectorAll(".by-task")) {
  const control = group.querySelector(".slider");
  const input = control.querySelector("input");
  const output = control.querySelector("output");
  const panels = Array.from(group.querySelectorAll(".panel"));
  const show = () => {
    const chosen = Number(input.value);
    panels.forEach((panel, index) => { panel.hidden = index !== chosen; });
    const name = panels[chosen] ? panels[chosen].dataset.name : "";
    output.textContent = name;
    input.setAttribute("aria-valuetext", name);
  };
  input.addEventListener("input", show);
  control.hidden = false;
  show();
}
// A link into a run that is folded unfolds it.
const unfold = () => {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  const section = target.closest("section.run");
  const details = section && section.querySelector(":scope > details");
  if (details) details.open = true;
};
addEventListener("hashchange", unfold);
unfold();
