"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const REPORT = DATA.report;
const $ = (id) => document.getElementById(id);
const MINUS = "\u2212";

const number = (v) => v === null || v === undefined ? "unknown"
  : typeof v === "string" ? (v === "inf" ? "∞" : v.replace("-", MINUS))
  : Math.round(v).toLocaleString("en-US").replace("-", MINUS);
const large = (v) => {
  for (const [limit, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e4, "k"]])
    if (v >= limit) return `${Number((v / (unit === "k" ? 1e3 : limit)).toPrecision(3))} ${unit}`;
  return number(v);
};
const seconds = (s) => {
  const size = Math.abs(s), sign = s < 0 ? MINUS : "";
  if (size >= 1) return `${sign}${size.toFixed(2)} s`;
  if (size >= 0.01 || size === 0) return `${sign}${(size * 1e3).toFixed(1)} ms`;
  return size >= 1e-3 ? `${sign}${(size * 1e3).toFixed(2)} ms` : `${sign}${(size * 1e6).toFixed(0)} µs`;
};
const share = (v) => {
  const percent = v * 100;
  if (percent === 0 || percent === 100) return `${percent} %`;
  const text = percent >= 1 ? percent.toFixed(1) : String(Number(percent.toPrecision(2)));
  return `${text === "100.0" ? "> 99.9" : text} %`;
};
const fraction = (text) => {
  const [p, q] = String(text).split("/").map(Number);
  return q ? p / q : p;
};
const escape = (text) => String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

/* A canvas that keeps its sharpness, and redraws when the page or the colours change. */
const REDRAW = [];
function canvasFor(box, canvas, height, draw) {
  const paint = () => {
    const width = box.clientWidth, tall = typeof height === "function" ? height(width) : height;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(tall * ratio);
    canvas.style.height = `${tall}px`;
    const ctx = canvas.getContext("2d");
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, width, tall);
    draw(ctx, width, tall);
  };
  new ResizeObserver(paint).observe(box);
  REDRAW.push(paint);
  return paint;
}
const font = (size, weight = 400) => `${weight} ${size}px Inter, ui-sans-serif, system-ui, sans-serif`;

/* Round steps for an axis: 1, 2 or 5 times a power of ten, about `wanted` of them. */
function ticks(low, high, wanted) {
  const rough = (high - low) / Math.max(1, wanted), power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const out = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-9; v += step) out.push(v);
  return out;
}
