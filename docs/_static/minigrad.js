// What the pages do beyond the theme.

// The picture on the home page: gradient descent on x squared, with a rate that the reader chooses.
document.addEventListener("DOMContentLoaded", () => {
  const play = document.getElementById("play");
  if (!play) return;
  const svg = play.querySelector("svg");
  const input = play.querySelector("input");
  const shown = play.querySelector("output");
  const verdict = play.querySelector(".verdict");
  const at = (x) => [180 + 26 * x, 155 - (x * x * 145) / 36];
  const path = (points) => "M" + points.map((point) => point.map((v) => v.toFixed(1)).join(" ")).join("L");
  const valley = path(Array.from({ length: 121 }, (_, k) => at(-6 + k / 10)));

  function draw() {
    const rate = Number(input.value);
    const places = [4];
    for (let k = 0; k < 20; k++) places.push(places[k] - rate * 2 * places[k]);
    const seen = places.filter((x) => Math.abs(x) <= 6).map(at);
    const balls = seen.map(([x, y], k) => `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="${k ? 4 : 6}"/>`);
    svg.innerHTML = `<path class="valley" d="${valley}"/><path class="path" d="${path(seen)}"/>${balls.join("")}`;
    const end = places[20];
    const factor = 1 - 2 * rate;
    const story =
      Math.abs(factor) > 1 ? "Each step lands higher: it will never arrive."
      : Math.abs(factor) > 0.999 ? "It jumps from side to side for ever."
      : Math.abs(end) > 0.05 && factor > 0 ? "The right way, but slow."
      : Math.abs(end) > 0.05 ? "It jumps across the floor each time, and has not arrived yet."
      : factor < -0.001 ? "It jumps across the floor each time, and arrives."
      : Math.abs(factor) < 0.001 ? "One step, and it is there."
      : "It arrives.";
    shown.textContent = rate.toFixed(2);
    verdict.textContent = `After 20 steps x = ${end.toPrecision(3)}. ${story}`;
    svg.setAttribute("aria-label", `A valley, and a ball in it that starts at 4. ${verdict.textContent}`);
  }
  input.addEventListener("input", draw);
  draw();
});

// A film can be stopped, and does not start for readers who have asked for less motion.
document.addEventListener("DOMContentLoaded", () => {
  for (const film of document.querySelectorAll('.bd-article img[src$=".gif"]')) {
    const still = document.createElement("canvas");
    const button = document.createElement("button");
    const box = document.createElement("div");
    box.className = "film";
    button.className = "btn btn-sm";
    still.setAttribute("role", "img");
    still.setAttribute("aria-label", film.alt);
    film.replaceWith(box);
    box.append(film, still, button);

    function show(playing) {
      if (!playing) {
        still.width = film.naturalWidth;
        still.height = film.naturalHeight;
        still.getContext("2d").drawImage(film, 0, 0);
      }
      film.hidden = !playing;
      still.hidden = playing;
      button.textContent = playing ? "Stop the film" : "Play the film";
    }
    button.addEventListener("click", () => show(film.hidden));
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    show(true);
    if (calm) film.decode().then(() => show(false));
  }
});

// The keyboard: a slash opens the search, the focus stays where the colours were chosen, and arrows have names.
document.addEventListener("DOMContentLoaded", () => {
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, select, dialog, [contenteditable]");
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || typing) return;
    event.preventDefault();
    document.querySelector(".search-button__button")?.click();
  });
  for (const choice of document.querySelectorAll(".theme-change-button")) {
    choice.addEventListener("click", () => choice.closest(".dropdown")?.querySelector(".theme-switch-button")?.focus());
  }
  for (const arrow of document.querySelectorAll(".bd-sidebar-primary summary")) {
    const page = arrow.closest("li")?.querySelector("a")?.textContent.trim();
    if (page) arrow.setAttribute("aria-label", `Pages of ${page}`);
  }
});

// Formulas that are wider than the page can be scrolled, by the arrow keys too.
window.addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  for (const formula of document.querySelectorAll("mjx-container[display]")) {
    if (formula.scrollWidth > formula.clientWidth) formula.tabIndex = 0;
  }
});
