"use strict";
// Leafs through the episodes' steps, all of which are on the page already.
// Creates no element and parses no text: it only moves the class "current".
(() => {
  const STEP = /^#e(\d+)(?:-s(\d+))?$/;
  const shows = new Map();

  const prepare = (episode) => {
    const steps = [...episode.querySelectorAll(".step")];
    const links = [...episode.querySelectorAll(".strip a")];
    const previous = episode.querySelector(".previous");
    const next = episode.querySelector(".next");
    const where = episode.querySelector(".where");
    let at = 0;

    const show = (wanted) => {
      at = Math.min(Math.max(wanted, 0), steps.length - 1);
      steps.forEach((step, i) => step.classList.toggle("current", i === at));
      links.forEach((link, i) =>
        i === at ? link.setAttribute("aria-current", "step") : link.removeAttribute("aria-current"));
      previous.disabled = at === 0;
      next.disabled = at === steps.length - 1;
      where.textContent = at === steps.length - 1
        ? "The end" : `Step ${at + 1} of ${steps.length - 1}`;
    };

    previous.addEventListener("click", () => show(at - 1));
    next.addEventListener("click", () => show(at + 1));
    links.forEach((link, i) => link.addEventListener("click", (event) => {
      event.preventDefault();
      show(i);
    }));
    episode.addEventListener("keydown", (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
      if (event.key === "ArrowRight") show(at + 1);
      else if (event.key === "ArrowLeft") show(at - 1);
      else return;
      event.preventDefault();
    });
    show(0);
    shows.set(episode.id, show);
  };

  // A citation's link opens its episode at the step it names.
  const follow = () => {
    const match = STEP.exec(window.location.hash);
    const episode = match && document.getElementById(`e${match[1]}`);
    if (!episode) return;
    episode.open = true;
    if (match[2] !== undefined) shows.get(episode.id)(Number(match[2]));
    episode.scrollIntoView();
    episode.querySelector(".replay").focus({ preventScroll: true });
  };

  document.documentElement.classList.add("js");
  document.querySelectorAll(".episode").forEach(prepare);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    // The browser reports no change when the same citation is followed twice.
    if (link && !link.closest(".strip") && link.hash === window.location.hash) follow();
  });
  window.addEventListener("hashchange", follow);
  window.addEventListener("beforeprint", () =>
    document.querySelectorAll("details").forEach((part) => { part.open = true; }));
  follow();
})();
