"use strict";
(() => {
  const packages = JSON.parse(document.getElementById("data").textContent);
  const form = document.getElementById("search");
  const field = { q: document.getElementById("q"), kind: document.getElementById("kind"), verified: document.getElementById("verified") };
  const found = document.getElementById("found");
  const ranked = document.getElementById("ranked");
  const said = document.getElementById("said");
  const card = document.getElementById("card");
  const most = 50;

  // score says how well a package fits one word: 0 where it does not.
  const score = (p, word) => {
    const own = p.name.slice(p.name.indexOf("/") + 1);
    if (own === word || p.name === word) return 100;
    if (p.words.includes(word)) return 60;
    if (own.startsWith(word)) return 50;
    if (p.name.includes(word)) return 30;
    if (p.words.some((w) => w.startsWith(word))) return 20;
    return p.description.toLowerCase().includes(word) ? 10 : 0;
  };

  // search gives what fits all words, the best first. Packages come in the order of their rank.
  const search = ({ q, kind, verified }) => {
    const words = q.toLowerCase().split(/\s+/).filter(Boolean);
    return packages
      .filter((p) => (!kind || p.kind === kind) && (!verified || p.marks.includes("verified")))
      .map((p) => ({ p, points: words.map((w) => score(p, w)) }))
      .filter(({ points }) => points.every(Boolean))
      .map(({ p, points }) => ({ p, points: points.reduce((a, b) => a + b, 0) - (p.marks.includes("deprecated") ? 15 : 0) }))
      .sort((a, b) => b.points - a.points)
      .map(({ p }) => p);
  };

  // drawn is the card of a package. What others wrote goes in as text only.
  const drawn = (p) => {
    const li = card.content.cloneNode(true).firstElementChild;
    const put = (selector, text) => { li.querySelector(selector).textContent = text; };
    const link = li.querySelector("a");
    link.textContent = p.name;
    link.href = p.path;
    put(".kind", p.kind);
    put(".version", p.version);
    put("bdi", p.description);
    if (p.stars) put(".stars", `${p.stars} stars`);
    if (p.downloads) put(".downloads", `${p.downloads} downloads`);
    for (const m of p.marks) {
      const mark = document.createElement("span");
      mark.className = `mark m-${m}`;
      mark.textContent = m;
      li.querySelector(".marks").append(mark, " ");
    }
    return li;
  };

  const asked = () => ({ q: field.q.value.trim(), kind: field.kind.value, verified: field.verified.checked });

  const show = () => {
    const a = asked();
    const any = a.q || a.kind || a.verified;
    found.hidden = !any;
    ranked.hidden = Boolean(any);
    said.textContent = "";
    if (!any) return;
    const list = search(a);
    found.querySelector("ol").replaceChildren(...list.slice(0, most).map(drawn));
    said.textContent = list.length === 0 ? "Nothing fits." : list.length === 1 ? "1 package fits." : `${list.length} packages fit.`;
    if (list.length > most) said.textContent += ` The first ${most} are shown; another word makes them fewer.`;
  };

  // What is asked stands in the address, so that it can be passed on.
  const note = () => {
    const a = asked();
    const words = new URLSearchParams();
    for (const key of ["q", "kind"]) if (a[key]) words.set(key, a[key]);
    if (a.verified) words.set("verified", "1");
    history.replaceState(null, "", words.size > 0 ? `#${words}` : "#");
  };
  const read = () => {
    if (location.hash.length > 1 && !/^#(q|kind|verified)=/.test(location.hash)) return; // a place on the page
    const words = new URLSearchParams(location.hash.slice(1));
    field.q.value = words.get("q") ?? "";
    field.kind.value = ["pattern", "agent"].includes(words.get("kind")) ? words.get("kind") : "";
    field.verified.checked = words.has("verified");
    show();
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    found.querySelector("a")?.focus();
  });
  form.addEventListener("input", () => { show(); note(); });
  window.addEventListener("hashchange", read);
  form.hidden = false;
  read();
})();
