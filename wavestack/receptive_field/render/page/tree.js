/* The dilation tree: rows are layers, dots are positions, lines are what a position reads.
   Every layer gives, for the phase of an output position, which input positions it reads. */
function setUpTree() {
  const tree = DATA.tree;
  if (!tree) return;
  $("tree").hidden = false;
  const levels = tree.levels, top = levels.length, rate = tree.rate;
  const jumps = [1, ...levels.map((l) => fraction(l.jump))];
  const anchors = [0, ...levels.map((l) => l.anchor)];
  const at = (level, position) => position * jumps[level] + anchors[level];
  const reads = (level, position) => {   // positions of level - 1, level >= 1
    const { period, shift, offsets } = levels[level - 1];
    const phase = ((position % period) + period) % period;
    const base = ((position - phase) / period) * shift;
    return offsets[phase].map((o) => base + o);
  };
  const trace = (level, position) => {   // one sorted array of positions per level, top first
    let items = [position];
    const path = { [level]: items };
    for (let l = level; l > 0; l--) {
      const next = new Set();
      for (const p of items) for (const q of reads(l, p)) next.add(q);
      items = path[l - 1] = [...next].sort((a, b) => a - b);
    }
    return path;
  };
  const widest = levels.map((l) => Math.max(...l.offsets.flat()) - Math.min(...l.offsets.flat()));
  const focus = tree.focus, home = trace(top, focus);
  const low = home[0][0], high = home[0][home[0].length - 1], span = Math.max(1, high - low);
  const present = at(top, focus);
  const margin = Math.max(1.5, span * 0.03);
  let view = null, picked = null;
  const setView = (zoom) => {
    const full = span + 2 * margin, wide = full * (Math.min(1, 24 / full) ** zoom);
    const anchor = tree.causal ? high + margin * (wide / full) : (low + high) / 2 + wide / 2;
    view = [anchor - wide, anchor];
  };
  setView(0);
  const LEFT = 92, RIGHT = 22, TOP = 22, BOTTOM = 34;
  const gap = top === 1 ? 130 : Math.max(26, Math.min(58, 520 / top));
  const profile = tree.profile, extra = profile ? 132 : 0;
  const x = (value, width) => LEFT + ((value - view[0]) / (view[1] - view[0])) * (width - LEFT - RIGHT);
  const y = (level) => TOP + (top - level) * gap;

  function columns(ctx, items, level, width, least) {   // positions worth drawing, at least `least` px apart
    const out = [];
    let last = -Infinity;
    for (const p of items) {
      const px = x(at(level, p), width);
      if (px < LEFT - 400 || px > width + 400 || px - last < least) continue;
      out.push(p);
      last = px;
    }
    return out;
  }
  function visible(level) {
    const first = Math.ceil((view[0] - anchors[level]) / jumps[level]);
    const last = Math.floor((view[1] - anchors[level]) / jumps[level]);
    return [first, last];
  }
  const dot = (ctx, px, py, r) => { ctx.beginPath(); ctx.arc(px, py, r, 0, 7); ctx.fill(); };
  function lines(ctx, level, items, width) {
    ctx.beginPath();
    for (const p of columns(ctx, items, level, width, 0.5)) {
      const px = x(at(level, p), width);
      for (const q of reads(level, p)) {
        ctx.moveTo(px, y(level));
        ctx.lineTo(x(at(level - 1, q), width), y(level - 1));
      }
    }
    ctx.stroke();
  }

  const paint = canvasFor($("tree-box"), $("tree-canvas"), TOP + top * gap + BOTTOM + extra, (ctx, width) => {
    const accent = css("--accent"), ghost = css("--ghost"), soft = css("--soft"), output = css("--output");
    const density = (width - LEFT - RIGHT) / (view[1] - view[0]);
    ctx.save();
    ctx.beginPath();
    ctx.rect(LEFT - 8, 0, width - LEFT - RIGHT + 18, 4000);
    ctx.clip();
    for (let l = 0; l <= top; l++) {   // the other outputs, faint
      const [first, last] = visible(l), apart = density * jumps[l];
      ctx.fillStyle = ctx.strokeStyle = ghost;
      if (apart < 3) {
        ctx.globalAlpha = 0.5;
        ctx.fillRect(LEFT, y(l) - 0.5, width - LEFT - RIGHT, 1);
        ctx.globalAlpha = 1;
        continue;
      }
      const items = Array.from({ length: last - first + 1 }, (_, i) => first + i);
      if (l > 0 && apart >= 9 && widest[l - 1] * jumps[l - 1] < (view[1] - view[0]) / 2) {
        ctx.lineWidth = 0.6;
        ctx.globalAlpha = 0.55;
        lines(ctx, l, items, width);
        ctx.globalAlpha = 1;
      }
      const r = Math.min(4.5, Math.max(1, apart * 0.22));
      for (const p of items) dot(ctx, x(at(l, p), width), y(l), r);
    }
    const level = picked ? picked.level : top, start = picked ? picked.position : focus;
    const path = trace(level, start);
    for (let l = level; l > 0; l--) {   // the path itself
      const crowd = path[l].length, apart = density * jumps[l] * (path[l][crowd - 1] - path[l][0]) / Math.max(1, crowd - 1);
      ctx.strokeStyle = accent;
      ctx.lineWidth = crowd > 300 ? 0.5 : crowd > 60 ? 0.8 : 1.3;
      ctx.globalAlpha = crowd < 3 || apart > 12 ? 0.9 : Math.max(0.11, Math.min(0.9, 0.11 + apart * 0.12));
      lines(ctx, l, path[l], width);
      ctx.globalAlpha = 1;
    }
    for (let l = level; l >= 0; l--) {
      const apart = density * jumps[l];
      ctx.fillStyle = l === level ? output : accent;
      const r = l === level ? Math.max(4.5, Math.min(6.5, apart * 0.3)) : Math.min(5, Math.max(1.1, apart * 0.26));
      for (const p of columns(ctx, path[l], l, width, 0.7)) dot(ctx, x(at(l, p), width), y(l), r);
    }
    ctx.restore();
    ctx.textBaseline = "middle";
    for (let l = 0; l <= top; l++) {
      ctx.fillStyle = l === level ? css("--ink") : soft;
      ctx.textAlign = "right";
      ctx.font = font(12, l === level ? 600 : 400);
      const every = Math.ceil(17 / gap);
      if (l % every === 0 || l === top) ctx.fillText(l === 0 ? "input" : levels[l - 1].label, LEFT - 18, y(l));
    }
    drawScale(ctx, width, y(0) + 14);
    if (profile) drawProfile(ctx, width, y(0) + BOTTOM + 8);
    const inputs = path[0].length, a = path[0][0], b = path[0][inputs - 1];
    const where = level === top ? "The output" : level ? `<b>${escape(levels[level - 1].name)}</b>` : "";
    $("tree-readout").innerHTML = level === 0 ? `<b>Input</b> ${place(start)}`
      : `${where} at <b>${place(at(level, start))}</b> reads <b>${number(inputs)}</b> ${inputs === 1 ? tree.unit : tree.unit + "s"}`
      + ` from <b>${place(a)}</b> to <b>${place(b)}</b>`
      + (b - a + 1 > inputs ? `, with ${number(b - a + 1 - inputs)} holes between` : ", without holes");
  });

  function place(value) {
    const d = value - present;
    const near = Math.round(d * 100) / 100;
    if (near === 0) return "now";
    const text = `${near > 0 ? "+" : ""}${near.toLocaleString("en-US").replace("-", MINUS)}`;
    return rate ? `${text} (${seconds(d / rate)})` : text;
  }
  function drawScale(ctx, width, top_) {
    ctx.fillStyle = css("--faint");
    ctx.font = font(11.5);
    ctx.textAlign = "center";
    const scale = rate ? 1 / rate : 1, a = (view[0] - present) * scale, b = (view[1] - present) * scale;
    for (const t of ticks(a, b, Math.max(2, (width - LEFT) / 130))) {
      const px = x(t / scale + present, width);
      if (px < LEFT || px > width - 8) continue;
      ctx.fillRect(px, top_ - 4, 1, 4);
      const nought = Math.abs(t) < 1e-12;
      ctx.fillText(nought ? "now" : rate ? seconds(t) : number(t), px, top_ + 9);
    }
  }
  function drawProfile(ctx, width, top_) {
    const values = profile.values, peak = Math.max(...values), tall = 74, base = top_ + tall + 34;
    const shift = present - profile.position;   // the same output, in the tree's coordinates
    ctx.save();
    ctx.beginPath();
    ctx.rect(LEFT - 8, top_, width - LEFT - RIGHT + 18, tall + 50);
    ctx.clip();
    ctx.beginPath();
    ctx.moveTo(x(profile.first - 0.5 * profile.step + shift, width), base);
    values.forEach((v, i) => {
      for (const edge of [-0.5, 0.5])
        ctx.lineTo(x(profile.first + (i + edge) * profile.step + shift, width), base - (v / peak) * tall);
    });
    ctx.lineTo(x(profile.first + (values.length - 0.5) * profile.step + shift, width), base);
    ctx.closePath();
    ctx.fillStyle = css("--accent-soft");
    ctx.fill();
    ctx.strokeStyle = css("--accent");
    ctx.lineWidth = 1.2;
    ctx.stroke();
    ctx.restore();
    ctx.font = font(11.5);
    ctx.textAlign = "left";
    profile.widths.forEach(({ mass, first, last }, i) => {
      const a = Math.max(LEFT, x(first + shift, width)), b = Math.min(width - RIGHT, x(last + shift, width));
      ctx.fillStyle = css("--soft");
      ctx.fillRect(a, top_ + 6 + i * 13, Math.max(1, b - a), 1.5);
      ctx.textAlign = a - LEFT > 40 ? "right" : "left";
      ctx.fillText(`${mass * 100} %`, a - LEFT > 40 ? a - 6 : b + 6, top_ + 7 + i * 13);
    });
    ctx.fillStyle = css("--soft");
    ctx.textAlign = "right";
    ctx.fillText("gradient", LEFT - 18, base - tall / 2);
  }

  const box = $("tree-canvas");
  box.addEventListener("mousemove", (event) => {
    const spot = box.getBoundingClientRect(), px = event.clientX - spot.left, py = event.clientY - spot.top;
    const level = Math.max(0, Math.min(top, Math.round(top - (py - TOP) / gap)));
    const value = view[0] + ((px - LEFT) / (spot.width - LEFT - RIGHT)) * (view[1] - view[0]);
    const [first, last] = visible(level);
    const position = Math.max(first, Math.min(last, Math.round((value - anchors[level]) / jumps[level])));
    if (picked && picked.level === level && picked.position === position) return;
    picked = { level, position };
    requestAnimationFrame(paint);
  });
  box.addEventListener("mouseleave", () => { picked = null; paint(); });
  $("tree-zoom").addEventListener("input", (event) => { setView(Number(event.target.value)); paint(); });
  $("tree-zoom").parentElement.hidden = span < 40;
}
