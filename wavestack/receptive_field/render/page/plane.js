/* Images: the used pixels of the field beside their weight, drawn to the same scale. */
function setUpPlanes() {
  const maps = DATA.maps;
  if (!maps) return;
  if (maps.coverage) setUpCoverage(maps.coverage, maps.frame);
  if (maps.effective) setUpHeat(maps.effective, maps.frame);
}

/* Both planes show one window of the image: the union of the field and of the input's frame. */
function layout(map, frame, width, height) {
  const low = [Math.min(map.start[0], frame.start[0]), Math.min(map.start[1], frame.start[1])];
  const high = [
    Math.max(map.start[0] + map.size[0], frame.start[0] + frame.size[0]),
    Math.max(map.start[1] + map.size[1], frame.start[1] + frame.size[1]),
  ];
  const near = map.size.map((s, d) => {   // a field far smaller than the image is shown from near
    const room = Math.max(6, s * 0.7);
    return frame.size[d] > s * 3 ? [map.start[d] - room, map.start[d] + s + room] : [low[d], high[d]];
  });
  const pad = 14, rows = near[0][1] - near[0][0], cols = near[1][1] - near[1][0];
  const scale = Math.min((width - 2 * pad) / cols, (height - 2 * pad) / rows);
  const left = (width - cols * scale) / 2, top = (height - rows * scale) / 2;
  return {
    scale,
    x: (col) => left + (col - near[1][0]) * scale,
    y: (row) => top + (row - near[0][0]) * scale,
    row: (py) => Math.floor((py - top) / scale + near[0][0]),
    col: (px) => Math.floor((px - left) / scale + near[1][0]),
    cropped: frame.size.some((s, d) => s > map.size[d] * 3),
  };
}
const planeHeight = (width) => Math.min(520, Math.max(300, width * 0.82));

function outline(ctx, place, start, size, colour, dashed) {
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1.4;
  ctx.setLineDash(dashed ? [5, 4] : []);
  ctx.strokeRect(place.x(start[1]), place.y(start[0]), size[1] * place.scale, size[0] * place.scale);
  ctx.restore();
}

function setUpCoverage(map, frame) {
  $("plane").hidden = false;
  if (map.local) $("plane").querySelector("h2").textContent = "Which pixels its convolutions read";
  const values = bytes(map.data), [rows, cols] = map.shape, factor = map.factor;
  const centre = map.centre;
  let place = null, hovered = null;
  const sum = () => `<b>${number(map.used)}</b> of ${number(map.box)} pixels in the box are used (<b>${share(map.used / map.box)}</b>)`;
  const paint = canvasFor($("plane-box"), $("plane-canvas"), planeHeight, (ctx, width, height) => {
    place = layout(map, frame, width, height);
    ctx.fillStyle = css("--hole");
    ctx.fillRect(place.x(map.start[1]), place.y(map.start[0]), map.size[1] * place.scale, map.size[0] * place.scale);
    const cell = place.scale * factor, gap = cell >= 7 ? 1 : 0;
    ctx.fillStyle = css("--accent");
    if (gap) {
      ctx.globalAlpha = 0.8;
      values.forEach((v, i) => {
        if (v) ctx.fillRect(place.x(map.start[1] + i % cols) + gap / 2, place.y(map.start[0] + Math.floor(i / cols)) + gap / 2, cell - gap, cell - gap);
      });
    } else {   // small cells as one picture, so that no seams show
      const picture = new OffscreenCanvas(cols, rows), inner = picture.getContext("2d");
      inner.fillStyle = css("--accent");
      inner.fillRect(0, 0, cols, rows);
      const pixels = inner.getImageData(0, 0, cols, rows);
      values.forEach((v, i) => { pixels.data[4 * i + 3] = v ? 25 + v * 0.7 : 0; });
      inner.putImageData(pixels, 0, 0);
      ctx.imageSmoothingEnabled = cell < 1;
      ctx.drawImage(picture, place.x(map.start[1]), place.y(map.start[0]), cols * cell, rows * cell);
    }
    ctx.globalAlpha = 1;
    outline(ctx, place, map.start, map.size, css("--accent"), false);
    if (!place.cropped) outline(ctx, place, frame.start, frame.size, css("--ink"), true);
    ctx.fillStyle = css("--output");
    ctx.beginPath();
    ctx.arc(place.x(centre[1] + 0.5), place.y(centre[0] + 0.5), Math.max(3.5, Math.min(6, place.scale * 0.4)), 0, 7);
    ctx.fill();
    if (hovered) outline(ctx, place, [hovered[0], hovered[1]], [1, 1], css("--output"), false);
  });
  $("plane-readout").innerHTML = sum();
  $("plane-hint").textContent = (factor > 1 ? `One cell is ${factor} × ${factor} pixels, its shade the share that is used. ` : "")
    + (frame.size.some((s, d) => s > map.size[d] * 3) ? "The image is larger than this view. " : "Dashed: the input image. ")
    + "The dot is the output's own position."
    + (map.local ? " Through the global operators every pixel of the image counts." : "");
  const box = $("plane-canvas");
  box.addEventListener("mousemove", (event) => {
    if (!place) return;   // not drawn yet
    const spot = box.getBoundingClientRect();
    const r = place.row(event.clientY - spot.top), c = place.col(event.clientX - spot.left);
    const i = Math.floor((r - map.start[0]) / factor), j = Math.floor((c - map.start[1]) / factor);
    hovered = [r, c];
    paint();
    if (i < 0 || j < 0 || i >= rows || j >= cols) { $("plane-readout").innerHTML = `${from(r, c, centre)}: outside the field`; return; }
    const v = values[i * cols + j];
    $("plane-readout").innerHTML = `${from(r, c, centre)}: <b>${v === 0 ? "a hole" : v === 255 ? "used" : "partly used"}</b>`;
  });
  box.addEventListener("mouseleave", () => { hovered = null; $("plane-readout").innerHTML = sum(); paint(); });
}

function from(r, c, centre) {
  const signed = (v) => (v > 0 ? `+${number(v)}` : number(v));
  return `row <b>${signed(r - centre[0])}</b>, column <b>${signed(c - centre[1])}</b> from the output`;
}

/* Dark to bright through one hue family; in light mode from paper to ink. */
function heatColour(t) {
  const dark = css("color-scheme").includes("dark") || document.documentElement.dataset.theme === "dark";
  const stops = dark
    ? [[25, 28, 34], [44, 51, 107], [126, 64, 148], [222, 104, 104], [255, 209, 140], [255, 250, 220]]
    : [[255, 255, 255], [253, 226, 178], [244, 146, 96], [201, 62, 92], [110, 30, 110], [30, 14, 60]];
  const p = Math.min(0.9999, Math.max(0, t)) * (stops.length - 1), i = Math.floor(p), f = p - i;
  return stops[i].map((a, k) => Math.round(a + (stops[i + 1][k] - a) * f));
}

function setUpHeat(map, frame) {
  $("heat").hidden = false;
  const values = bytes(map.data), [rows, cols] = map.shape;
  const [h, w] = map.widths.map((row) => row["0.95"]);
  let place = null;
  const sum = () => `Half of the gradient lies in <b>${map.widths[0]["0.5"].width} × ${map.widths[1]["0.5"].width}</b> pixels, 95 % in <b>${h.width} × ${w.width}</b>`;
  const paint = canvasFor($("heat-box"), $("heat-canvas"), planeHeight, (ctx, width, height) => {
    place = layout(map.window, frame, width, height);
    const picture = new OffscreenCanvas(cols, rows), inner = picture.getContext("2d");
    const pixels = inner.createImageData(cols, rows);
    const table = Array.from({ length: 256 }, (_, v) => heatColour(v / 255));
    values.forEach((v, i) => { pixels.data.set(table[v], 4 * i); pixels.data[4 * i + 3] = 255; });
    inner.putImageData(pixels, 0, 0);
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(picture, place.x(map.start[1]), place.y(map.start[0]), cols * map.factor * place.scale, rows * map.factor * place.scale);
    outline(ctx, place, frame.start, frame.size, css("--ink"), true);
    outline(ctx, place, [h.first, w.first], [h.width, w.width], css("--output"), false);
    if (map.field) outline(ctx, place, map.field.start, map.field.size, css("--accent"), false);
  });
  $("heat-readout").innerHTML = sum();
  $("heat-hint").textContent = `Mean over ${map.examples} example${map.examples === 1 ? "" : "s"}, shade by square root. Orange: 95 % of the mass. Blue: what the structure allows.`;
  const box = $("heat-canvas");
  box.addEventListener("mousemove", (event) => {
    if (!place) return;   // not drawn yet
    const spot = box.getBoundingClientRect();
    const r = place.row(event.clientY - spot.top), c = place.col(event.clientX - spot.left);
    const i = Math.floor((r - map.start[0]) / map.factor), j = Math.floor((c - map.start[1]) / map.factor);
    const inside = i >= 0 && j >= 0 && i < rows && j < cols;
    $("heat-readout").innerHTML = `${from(r, c, map.centre)}: `
      + (inside ? `<b>${share((values[i * cols + j] / 255) ** 2)}</b> of the peak` : "outside the image");
  });
  box.addEventListener("mouseleave", () => { $("heat-readout").innerHTML = sum(); });
}
