/** Sliders next to the fields of numbers: they move together. Without this script, there are only the fields. */

const SCALES = ["rand_scale_min", "rand_scale_max", "rand_scale_step"];

const form = document.getElementById("controls");

/** Show the value of a field on its slider. */
function follow(slider) {
  const field = document.getElementById(slider.dataset.for);
  slider.value = field.value;
  slider.classList.toggle("unused", field.value === "");
}

function followAll() {
  form.querySelectorAll("[type=range]").forEach(follow);
}

/** Of the list and the range of scales, only the one that was changed last counts. */
function chooseScales(name) {
  const list = form.elements.rand_scales;
  if (SCALES.includes(name)) list.value = "";
  if (name !== "rand_scales" || list.value.trim() === "") return;
  for (const other of SCALES) form.elements[other].value = "";
}

form.addEventListener("input", (event) => {
  const slider = event.target.dataset.for;
  if (slider) form.elements[slider].value = event.target.value;
  chooseScales(slider ?? event.target.name);
  followAll();
  // A slider has no name, so that forms without scripts do not send it; its field tells that it has changed.
  if (slider) form.elements[slider].dispatchEvent(new Event("input", { bubbles: true }));
});
/** Scroll to what is wrong with the field that has the focus; the form may scroll by itself. */
function showError() {
  document.activeElement.closest(".control")?.querySelector(".wrong")?.scrollIntoView({ block: "nearest" });
}

document.addEventListener("shown", () => {
  followAll();
  showError();
});
form.querySelectorAll("[type=range]").forEach((slider) => { slider.hidden = false; });
followAll();
