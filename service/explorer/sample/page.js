/** The page of a sample: layers that are shown and hidden, zoom, and boxes that are found in the table and vice versa. */

import { watchLayers } from "../shell/pictures.js";

const STORED = "layers of samples"; // the choice of layers stays while someone goes from sample to sample
const MOST_ZOOM = 40;
const STEP = 1.4;

/** Zoom and position of one picture, which are those of its viewBox. */
class Picture {
  constructor(svg) {
    this.svg = svg;
    const { x, y, width, height } = svg.viewBox.baseVal;
    this.whole = { x, y, width, height };
    this.shown = { ...this.whole };
    this.fontSize = Number(svg.getAttribute("font-size"));
    this.pointers = new Map();
    svg.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    svg.addEventListener("pointerdown", (event) => this.onPress(event));
    svg.addEventListener("pointermove", (event) => this.onMove(event));
    for (const name of ["pointerup", "pointercancel"]) svg.addEventListener(name, (event) => this.onRelease(event));
    svg.addEventListener("dblclick", (event) => this.zoom(STEP * STEP, this.place(event)));
  }

  get factor() {
    return this.whole.width / this.shown.width;
  }

  /** Where an event is, in pixels of the picture. */
  place(event) {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
    return { x: point.x, y: point.y };
  }

  center() {
    return { x: this.shown.x + this.shown.width / 2, y: this.shown.y + this.shown.height / 2 };
  }

  /** Zoom by a factor around a place, which stays where it is. */
  zoom(by, { x, y } = this.center()) {
    const factor = Math.min(MOST_ZOOM, Math.max(1, this.factor * by));
    const by_now = this.factor / factor;
    this.show({
      x: x - (x - this.shown.x) * by_now, y: y - (y - this.shown.y) * by_now,
      width: this.whole.width / factor, height: this.whole.height / factor,
    });
  }

  /** Show a box with some of its surroundings. */
  zoomTo({ x, y, width, height }) {
    const part = Math.max(width / this.whole.width, height / this.whole.height, 1 / MOST_ZOOM) * 2.5;
    const size = { width: this.whole.width * Math.min(1, part), height: this.whole.height * Math.min(1, part) };
    this.show({ x: x + width / 2 - size.width / 2, y: y + height / 2 - size.height / 2, ...size });
  }

  fit() {
    this.show(this.whole);
  }

  show({ x, y, width, height }) {
    const { whole } = this;
    const within = (value, start, extent, size) => Math.min(Math.max(value, start), start + extent - size);
    this.shown = {
      x: within(x, whole.x, whole.width, width), y: within(y, whole.y, whole.height, height), width, height,
    };
    this.svg.setAttribute("viewBox", `${this.shown.x} ${this.shown.y} ${width} ${height}`);
    this.svg.setAttribute("font-size", this.fontSize / this.factor); // labels keep their size on the screen
    this.svg.classList.toggle("zoomed", this.factor > 1);
  }

  onWheel(event) {
    // A wheel scrolls the page, unless it is meant for the picture: pinching sends Ctrl, too.
    if (!event.ctrlKey && !event.metaKey && this.factor === 1) return;
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0025)), this.place(event));
  }

  onPress(event) {
    if (event.button !== 0) return;
    this.pointers.set(event.pointerId, event);
    if (this.factor > 1 || this.pointers.size > 1) this.svg.setPointerCapture(event.pointerId);
  }

  onMove(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    if (this.pointers.size > 1) this.pinch(before, event);
    else this.drag(before, event);
    this.pointers.set(event.pointerId, event);
  }

  drag(before, event) {
    if (this.factor === 1) return;
    this.svg.classList.add("dragged");
    const [from, to] = [this.place(before), this.place(event)];
    this.show({ ...this.shown, x: this.shown.x + from.x - to.x, y: this.shown.y + from.y - to.y });
  }

  /** Zoom by as much as a finger has moved away from the other one, around the place between them. */
  pinch(before, event) {
    const other = [...this.pointers.values()].find(({ pointerId }) => pointerId !== event.pointerId);
    const distance = ({ clientX, clientY }) => Math.hypot(clientX - other.clientX, clientY - other.clientY);
    const middle = { clientX: (event.clientX + other.clientX) / 2, clientY: (event.clientY + other.clientY) / 2 };
    this.zoom(Math.max(1, distance(event)) / Math.max(1, distance(before)), this.place(middle));
  }

  onRelease(event) {
    this.pointers.delete(event.pointerId);
    this.svg.classList.remove("dragged");
  }
}

const pictures = new Map(
  [...document.querySelectorAll(".picture > svg")].map((svg) => [svg.dataset.name, new Picture(svg)]),
);

/* Zoom buttons */
for (const group of document.querySelectorAll(".zoom")) {
  group.hidden = false;
  const picture = pictures.get(group.closest(".picture").querySelector("svg").dataset.name);
  const actions = { in: () => picture.zoom(STEP), out: () => picture.zoom(1 / STEP), fit: () => picture.fit() };
  group.addEventListener("click", (event) => actions[event.target.dataset.zoom]?.());
}

/* Layers */
const toggles = document.getElementById("toggles");
const boxes = toggles ? [...toggles.querySelectorAll("[data-toggle]")] : [];

function showLayers() {
  const chosen = new Map(boxes.map((box) => [box.dataset.toggle, box.checked]));
  for (const layer of document.querySelectorAll("[data-layer]")) {
    if (chosen.has(layer.dataset.layer)) layer.toggleAttribute("hidden", !chosen.get(layer.dataset.layer));
  }
  for (const { svg } of pictures.values()) {
    svg.classList.toggle("named", chosen.get("names"));
    svg.classList.toggle("tinted", svg.querySelector("image.tint:not([hidden])") !== null);
  }
}

function restoreLayers() {
  try {
    const stored = JSON.parse(sessionStorage.getItem(STORED) ?? "{}");
    for (const box of boxes) box.checked = stored[box.dataset.toggle] ?? box.checked;
  } catch (error) {
    console.warn("the choice of layers is not stored:", error); // a browser may forbid it
  }
}

function storeLayers() {
  try {
    const chosen = Object.fromEntries(boxes.map((box) => [box.dataset.toggle, box.checked]));
    sessionStorage.setItem(STORED, JSON.stringify(chosen));
  } catch (error) {
    console.warn("the choice of layers is not stored:", error);
  }
}

if (toggles) {
  toggles.hidden = false;
  restoreLayers();
  showLayers();
  toggles.addEventListener("change", () => { showLayers(); storeLayers(); });
}

/* Boxes and their rows */
function mark(row) {
  for (const element of document.querySelectorAll("[data-row]")) {
    element.classList.toggle("on", row !== undefined && element.dataset.row === row);
  }
}

for (const place of document.querySelectorAll(".pictures, #box-table")) {
  for (const [begin, end] of [["pointerover", "pointerleave"], ["focusin", "focusout"]]) {
    place.addEventListener(begin, (event) => mark(event.target.closest("[data-row]")?.dataset.row));
    place.addEventListener(end, () => mark());
  }
}

/** Show the box of a row, as large as it fits, in all pictures that have it. */
function find(event) {
  const link = event.target.closest("[data-box]");
  if (!link) return;
  for (const picture of pictures.values()) {
    const line = picture.svg.querySelector(`.shape[data-row="${link.dataset.box}"] .line`);
    if (line) picture.zoomTo(line.getBBox());
    else picture.fit();
  }
  event.preventDefault();
  document.querySelector(".pictures").scrollIntoView({ block: "nearest" });
}
document.getElementById("box-table")?.addEventListener("click", find);

watchLayers(document.querySelectorAll(".picture image"));
