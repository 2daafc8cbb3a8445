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
  addEventListener("pageshow", () => { if (submit) submit.disabled = false; });
})();
