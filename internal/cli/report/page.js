"use strict";
(() => {
  const tree = document.querySelector(".tree");
  const all = () => [...tree.querySelectorAll("details")];

  // Only what stands on the screen can be walked to.
  const shown = () => [...tree.querySelectorAll("summary")].filter((s) => s.checkVisibility());

  const walk = (from, step) => {
    const list = shown();
    const next = list[list.indexOf(from) + step];
    if (next) next.focus();
  };
  const keys = {
    ArrowDown: (s) => walk(s, 1),
    ArrowUp: (s) => walk(s, -1),
    ArrowRight: (s) => { if (s.parentElement.open) walk(s, 1); else s.parentElement.open = true; },
    ArrowLeft: (s) => {
      if (s.parentElement.open) { s.parentElement.open = false; return; }
      const outer = s.parentElement.parentElement.closest("details");
      if (outer && tree.contains(outer)) outer.firstElementChild.focus();
    },
    Home: () => shown()[0]?.focus(),
    End: () => shown().at(-1)?.focus(),
  };
  tree.addEventListener("keydown", (event) => {
    const key = keys[event.key];
    if (!key || event.target.tagName !== "SUMMARY" || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    key(event.target);
  });

  // A link to something folded opens what it is folded in.
  const reveal = () => {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (!target) return;
    const own = target.classList.contains("node") && target.querySelector(":scope > details");
    if (own) own.open = true;
    for (let up = target.parentElement; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();

  const tools = document.createElement("div");
  tools.className = "tools";
  for (const [name, open] of [["Open all", true], ["Close all", false]]) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", () => all().forEach((d) => { d.open = open; }));
    tools.append(button);
  }
  tree.before(tools);
})();
