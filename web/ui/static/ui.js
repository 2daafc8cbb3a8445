"use strict";
// Loaded before the page is drawn, so that a remembered theme does not flash.
(() => {
  const root = document.documentElement;
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const remember = (theme) => { try { localStorage.setItem("theme", theme); } catch { /* storage is off */ } };
  try {
    const theme = localStorage.getItem("theme");
    if (theme) root.dataset.theme = theme;
  } catch { /* storage is off */ }

  const bottom = (box) => { if (box) box.scrollTop = box.scrollHeight; };
  let follows = false;

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const show = () => button.setAttribute("aria-pressed", String(dark()));
    button.hidden = false;
    show();
    button.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      remember(root.dataset.theme);
      show();
    });
    bottom(document.querySelector("[data-follow]"));
  });

  // A log follows its end unless the reader has scrolled up.
  document.addEventListener("htmx:before:swap", () => {
    const box = document.querySelector("[data-follow]");
    follows = !box || box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  });
  document.addEventListener("htmx:after:swap", () => { if (follows) bottom(document.querySelector("[data-follow]")); });

  // A session that has ended: the page itself then is the form to sign in.
  document.addEventListener("htmx:response:error", (event) => {
    if (event.detail.ctx?.response?.status === 401) location.reload();
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches?.("[data-submits]")) event.target.form.requestSubmit();
  });
})();
