"use strict";
// A form that is sent twice would make two jobs. The page may come back from the browser's cache.
(() => {
  document.documentElement.classList.add("scripts");
  const form = document.getElementById("job");
  const submit = form?.querySelector(".primary");
  document.getElementById("problem")?.focus();
  form?.addEventListener("submit", (event) => {
    if (!event.defaultPrevented && !event.submitter?.name) setTimeout(() => { submit.disabled = true; });
  });

  // The range is chosen on the histogram. The form may replace it, so the listeners are the form's.
  let first = null;
  const bar = (event) => event.target.closest?.(".pickable > g");
  const pick = (last) => {
    const bars = [...last.parentNode.children];
    const [low, high] = [bars.indexOf(first), bars.indexOf(last)].sort((a, b) => a - b);
    form.elements.namedItem("/start").value = bars[low].dataset.start;
    form.elements.namedItem("/end").value = bars[high].dataset.end;
    bars.forEach((each, at) => each.classList.toggle("picked", at >= low && at <= high));
  };
  form?.addEventListener("pointerdown", (event) => {
    first = bar(event);
    if (first) {
      event.preventDefault();
      event.target.releasePointerCapture(event.pointerId);
      pick(first);
    }
  });
  form?.addEventListener("pointerover", (event) => {
    if (first?.isConnected && bar(event)?.parentNode === first.parentNode) pick(bar(event));
  });
  addEventListener("pointerup", () => { first = null; });
  addEventListener("pageshow", () => { if (submit) submit.disabled = false; });
})();
