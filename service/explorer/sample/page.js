/** The page of a sample: layers that are shown and hidden, zoom, and boxes that are found in the table and vice versa. */

import { watchLayers } from "../shell/pictures.js";

const MOST_ZOOM = 40;
const STEP = 1.4;
const DELAY_MS = 250; // while someone zooms, the URL is not written at every step: browsers refuse so many

/** Zoom and position of one picture, which are those of its viewBox. */
class Picture {
  constructor(svg, onShow) {
    this.svg = svg;
    this.onShow = onShow;
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
    this.onShow();
  }

  /** The part that is shown, as text: its left, top and width; "" for the whole picture. */
  get part() {
    const { x, y, width } = this.shown;
    return this.factor > 1 ? [x, y, width].map((value) => Number(value.toFixed(1))).join(",") : "";
  }

  set part(text) {
    const parts = text.split(",");
    const [x, y, wanted] = parts.map(Number);
    const isPart = parts.length === 3 && parts.every((part) => part.trim() && Number.isFinite(Number(part)));
    if (!isPart || wanted <= 0) return this.fit();
    const width = Math.min(Math.max(wanted, this.whole.width / MOST_ZOOM), this.whole.width);
    this.show({ x, y, width, height: (width / this.whole.width) * this.whole.height });
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

let timer = 0;
const pictures = new Map(
  [...document.querySelectorAll(".picture > svg")].map((svg) => [svg.dataset.name, new Picture(svg, writePartsSoon)]),
);

/* The URL has the parts of the pictures that are shown, in its fragment: only scripts zoom. */
function readParts() {
  if (location.hash && !location.hash.includes("=")) { // it leads to an element, such as the content
    if ([...pictures.values()].some((picture) => picture.part)) writePartsSoon();
    return;
  }
  const parts = new URLSearchParams(location.hash.slice(1));
  for (const [name, picture] of pictures) picture.part = parts.get(name) ?? "";
}

function writeParts() {
  const shown = [...pictures].filter(([, picture]) => picture.part).map(([name, picture]) => `${name}=${picture.part}`);
  const url = new URL(location.href);
  url.hash = shown.join("&");
  if (url.href !== location.href) history.replaceState(history.state, "", url);
}

function writePartsSoon() {
  clearTimeout(timer);
  timer = setTimeout(writeParts, DELAY_MS);
}

if (location.hash) readParts();
window.addEventListener("hashchange", readParts);

/* Zoom buttons */
for (const group of document.querySelectorAll(".zoom")) {
  group.hidden = false;
  const picture = pictures.get(group.closest(".picture").querySelector("svg").dataset.name);
  const actions = { in: () => picture.zoom(STEP), out: () => picture.zoom(1 / STEP), fit: () => picture.fit() };
  group.addEventListener("click", (event) => actions[event.target.dataset.zoom]?.());
}

/* Layers. The URL has those that are shown, and so have the links to other pages with layers. */
const toggles = document.getElementById("toggles");
const links = new Map(
  [...(toggles?.querySelectorAll("[data-toggle]") ?? [])].map((link) => [link.dataset.toggle, link]),
);
const LAYERED = /\/(explore\/\d+(\/(previous|next)-match)?|compare|what-if)$/;

/** Return a URL with layers, or without if they are the usual ones. */
function withLayers(href, layers) {
  const url = new URL(href, location.href);
  const usual = toggles.dataset.usual.split(",");
  const isUsual = layers.length === usual.length && usual.every((name) => layers.includes(name));
  if (isUsual) url.searchParams.delete("layers");
  else url.searchParams.set("layers", layers.join(","));
  url.search = url.search.replaceAll("%2C", ","); // as short as people write it
  return url.href;
}

function shownLayers() {
  const given = new URLSearchParams(location.search).get("layers") ?? toggles.dataset.usual;
  return given.split(",").filter((name) => name);
}

function toggled(layers, name) {
  return layers.includes(name) ? layers.filter((one) => one !== name) : [...layers, name];
}

function showLayers(layers) {
  for (const [name, link] of links) {
    if (layers.includes(name)) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  for (const layer of document.querySelectorAll("[data-layer]")) {
    if (links.has(layer.dataset.layer)) layer.toggleAttribute("hidden", !layers.includes(layer.dataset.layer));
  }
  for (const { svg } of pictures.values()) {
    svg.classList.toggle("named", layers.includes("names"));
    svg.classList.toggle("tinted", svg.querySelector("image.tint:not([hidden])") !== null);
  }
}

/** Write layers into the URL, into the links that keep them, and into the form. */
function writeLayers(layers) {
  history.replaceState(history.state, "", withLayers(location.href, layers));
  for (const link of document.querySelectorAll("#content a[href]")) {
    if (LAYERED.test(link.pathname)) link.href = withLayers(link.href, layers);
  }
  for (const [name, link] of links) link.href = withLayers(link.href, toggled(layers, name));
  const field = document.querySelector("input[name=layers]");
  field.value = layers.join(",");
  field.disabled = !new URLSearchParams(location.search).has("layers");
}

function onToggle(event) {
  const link = event.target.closest("[data-toggle]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const layers = toggled(shownLayers(), link.dataset.toggle);
  showLayers(layers);
  writeLayers(layers);
}

if (toggles) {
  for (const key of toggles.querySelectorAll("kbd")) key.hidden = false;
  toggles.addEventListener("click", onToggle);
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
