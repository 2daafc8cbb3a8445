"use strict";
// The dataset is fetched again when its version is another one; at most once a second.
(() => {
  const shown = () => document.getElementById("dataset");
  let version, timer = 0;
  document.getElementById("changes")?.addEventListener("change", (event) => {
    version = JSON.parse(event.detail.data).data ?? "";
    timer ||= setTimeout(() => {
      timer = 0;
      if (shown().dataset.version !== version) htmx.trigger(shown(), "dataset");
    }, 1000);
  });
  // The search or a filter may not fit the new dataset.
  document.addEventListener("htmx:response:error", (event) => {
    if (event.target === shown()) document.getElementById("stale").hidden = false;
  });
})();

// The upload: drag and drop, progress, a preview as soon as a file is chosen. Without scripts it is a plain form.
(() => {
  const form = document.getElementById("upload");
  if (!form) return;
  const file = document.getElementById("file");
  const drop = form.querySelector(".drop");
  const progress = document.getElementById("upload-progress");
  const state = document.getElementById("upload-state");
  document.documentElement.classList.add("scripts");
  let running = null;

  // The file comes last: the server reads the form as it arrives.
  const fields = () => {
    const data = new FormData();
    for (const control of form.elements) {
      if (!control.name || control.type === "file" || control.type === "submit" || !control.value) continue;
      if (control.type !== "checkbox" || control.checked) data.append(control.name, control.value);
    }
    data.append("file", file.files[0]);
    return data;
  };

  const show = (text) => {
    const answer = new DOMParser().parseFromString(text, "text/html").getElementById("preview");
    if (!answer) return false;
    document.getElementById("preview").replaceWith(document.adoptNode(answer));
    answer.focus();
    return true;
  };

  const finish = (message) => {
    progress.hidden = true;
    form.removeAttribute("aria-busy");
    state.textContent = message;
  };

  const preview = form.querySelector("[formaction]").formAction;
  const send = (address) => {
    if (!form.reportValidity()) return;
    running?.abort();
    const request = running = new XMLHttpRequest();
    progress.hidden = false;
    progress.value = 0;
    form.setAttribute("aria-busy", "true");
    state.textContent = "Sending…";
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) progress.value = 100 * event.loaded / event.total;
    });
    request.upload.addEventListener("load", () => { state.textContent = "Reading…"; });
    request.addEventListener("load", () => {
      if (address === form.action && request.status === 200) {
        finish("Loaded");
        location.assign(form.action);
      } else {
        finish(show(request.responseText) ? "" : `The server answered with status ${request.status}.`);
      }
    });
    request.addEventListener("error", () => finish("The connection broke off: try again."));
    request.open("POST", address);
    request.setRequestHeader("Accept", "text/html");
    request.send(fields());
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(event.submitter?.hasAttribute("formaction") ? preview : form.action);
  });
  file.addEventListener("change", () => { if (file.files.length) send(preview); });
  form.addEventListener("change", (event) => {
    if (event.target.matches(".retype") && file.files.length) send(preview);
  });

  // An option that a note names is set in the form, which may have no field for a column's type.
  form.addEventListener("click", (event) => {
    const { option, value } = event.target.dataset ?? {};
    if (option === undefined) return;
    let control = form.elements.namedItem(option);
    if (!control) {
      control = document.createElement("input");
      control.type = "hidden";
      control.name = option;
      form.prepend(control);
    }
    control.value = value;
    form.querySelector(".options").open = true;
    send(preview);
  });

  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    if (!event.dataTransfer.files.length) return;
    const one = new DataTransfer();
    one.items.add(event.dataTransfer.files[0]);
    file.files = one.files;
    send(preview);
  });
})();
