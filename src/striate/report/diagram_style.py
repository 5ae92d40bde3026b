"""The diagram's own style and script, beside the report's: one string each, since the page is one file."""

STYLE = """
:root{--conv:#0b62a8;--norm:#7a6a00;--act:#3d7a57;--pool:#8a3ca0;--dense:#a65400;--op:#56617a}
@media screen and (prefers-color-scheme:dark){:root{--conv:#6fb4f2;--norm:#d3c04a;--act:#7cc79a;--pool:#d295e6;
--dense:#f0a04b;--op:#9faabe}}
body.diagram{display:grid;grid-template:auto 1fr/1fr 300px;height:100vh;height:100dvh;overflow:hidden}
.diagram header{grid-column:1/-1;padding:10px 16px;border-bottom:1px solid var(--edge)}
.diagram h1{font-size:1.25rem;margin:0 0 .4rem}
.diagram .facts{margin:0}
.diagram .facts div{padding:.3rem .7rem}
.diagram .facts dd{font-size:.95rem}
.stage{position:relative;min-width:0;min-height:0;display:flex;flex-direction:column}
.controls{display:flex;flex-wrap:wrap;gap:6px;align-items:center;padding:8px 12px;border-bottom:1px solid var(--grid)}
.controls button,#panel button{font:inherit;font-size:.9rem;color:var(--ink);background:var(--card);
border:1px solid var(--edge);border-radius:6px;padding:.25rem .7rem;min-height:34px;min-width:34px;cursor:pointer}
.controls button:hover,#panel button:hover{background:var(--track)}
#canvas{flex:1;overflow:auto;min-height:0}
#canvas svg{display:block;margin:0 auto}
#panel{border-left:1px solid var(--edge);background:var(--card);padding:14px 16px;overflow:auto;min-height:0}
#panel h2{font-size:1.05rem;margin:0 0 .1rem;overflow-wrap:anywhere}
#panel dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem .8rem;margin:.7rem 0;font-size:.92rem}
#panel dt{color:var(--soft)}
#panel dd{margin:0;text-align:right;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.node rect.box{fill:var(--card);stroke:var(--edge);stroke-width:1.2}
.node{cursor:pointer}
.node:hover rect.box,.node.chosen rect.box{stroke:var(--accent);stroke-width:2}
.node:focus{outline:none}
.node:focus-visible rect.box{stroke:var(--accent);stroke-width:3}
.node text.name{font-size:13px;font-weight:600;fill:var(--ink)}
.node text.kind{font-size:11.5px;fill:var(--soft)}
.node rect.cost{fill:var(--accent);opacity:.55}
.part rect{fill:var(--track);fill-opacity:.45;stroke:var(--edge);stroke-dasharray:5 4}
.part text{font-size:12px;fill:var(--soft);cursor:pointer}
.part text:hover{fill:var(--ink)}
.edge{fill:none;stroke:var(--soft);stroke-width:1.3}
.edge.skip{stroke:var(--second);stroke-width:1.6}
.edge.near{stroke:var(--accent);stroke-width:2.6}
marker path{fill:var(--soft)}
svg text.shape{font-size:11px;fill:var(--soft);paint-order:stroke;stroke:var(--page);stroke-width:4px;
stroke-linejoin:round}
@media(max-width:720px){body.diagram{grid-template:auto 1fr auto/1fr}
.diagram header{padding:8px 10px}.diagram .facts{flex-wrap:nowrap;overflow-x:auto}
.diagram .facts div{flex:0 0 auto}
#panel{border-left:0;border-top:1px solid var(--edge);max-height:38vh;padding:10px 14px}#panel dl{margin:.4rem 0}}
@media print{body.diagram{display:block;height:auto;overflow:visible}.controls,#panel{display:none}
#canvas{overflow:visible}}
"""

SCRIPT = """
const data = JSON.parse(document.getElementById("data").textContent);
const WIDTH = 196, HEIGHT = 46, GAP = 34, ROW = 84, LANE = 16, MOST = 36, TITLE = 20, PAD = 8;
const steps = data.graph.steps, edges = data.graph.edges;
const layers = new Map(data.layers.map(layer => [layer.name, layer]));
const canvas = document.getElementById("canvas"), panel = document.getElementById("panel");
const paths = steps.map(step => step.name.split("."));
const parts = new Map();
steps.forEach((step, number) => {
  for (let depth = 1; depth < paths[number].length; depth++) {
    const name = paths[number].slice(0, depth).join(".");
    if (!parts.has(name)) parts.set(name, []);
    parts.get(name).push(number);
  }
});
const open = new Set();
let zoom = 1, chosen = null;

const parent = name => name.slice(0, Math.max(0, name.lastIndexOf(".")));
function owner(number) {
  const path = paths[number];
  for (let depth = 1; depth < path.length; depth++) {
    const name = path.slice(0, depth).join(".");
    if (!open.has(name)) return parts.get(name).length > 1 ? "part:" + name : "step:" + number;
  }
  return "step:" + number;
}
const size = shape => shape.length ? shape.join("×") : "1";
const count = value => value >= 1e9 ? (value / 1e9).toPrecision(3) + " G" : value >= 1e6 ?
  (value / 1e6).toPrecision(3) + " M" : value >= 1e4 ? (value / 1e3).toPrecision(3) + " k" : String(value);
const bytes = value => value >= 1e9 ? (value / 1e9).toPrecision(3) + " GB" : value >= 1e6 ?
  (value / 1e6).toPrecision(3) + " MB" : (value / 1e3).toPrecision(3) + " kB";
const same = values => new Set(values).size === 1 ? String(values[0] ?? "–") : values.map(one => one ?? "–").join("×");
function color(kind) {
  const text = kind.toLowerCase();
  if (/conv/.test(text)) return "var(--conv)";
  if (/norm/.test(text)) return "var(--norm)";
  if (/linear|dense|mm$/.test(text)) return "var(--dense)";
  if (/pool|mean|upsample|flatten/.test(text)) return "var(--pool)";
  if (/elu|silu|gelu|sigmoid|tanh|swish|softmax|activation/.test(text)) return "var(--act)";
  return "var(--op)";
}

function visible() {
  const nodes = new Map(), links = new Map();
  steps.forEach((step, number) => {
    const key = owner(number);
    if (!nodes.has(key)) nodes.set(key, {key, members: [], order: number, rank: 0});
    nodes.get(key).members.push(number);
  });
  edges.forEach(edge => {
    const from = owner(edge.from), to = owner(edge.to);
    if (from === to) return;
    const key = from + ">" + to;
    if (!links.has(key)) links.set(key, {from: nodes.get(from), to: nodes.get(to), shape: edge.shape});
  });
  for (const node of nodes.values()) {
    const step = steps[node.members[0]], part = node.key.startsWith("part:") ? node.key.slice(5) : null;
    node.part = part;
    node.name = part ?? step.name;
    node.kind = part ? (data.groups[part]?.kind ?? "part") : step.kind;
    const own = [...new Set(node.members.map(number => steps[number].layer).filter(name => name !== null))];
    const within = part ? data.layers.filter(layer => layer.name === part || layer.name.startsWith(part + "."))
      : own.map(name => layers.get(name)).filter(Boolean);
    const sum = key => within.reduce((total, layer) => total + layer[key], 0);
    node.figures = {parameters: sum("parameters"), trainable: sum("trainable"), macs: sum("macs"),
      kept: sum("activation_bytes"), layers: within.length};
    node.output = data.groups[part]?.output ?? steps[node.members[node.members.length - 1]].output;
    node.field = part ? data.groups[part]?.receptive_field : within[0]?.receptive_field;
  }
  return [[...nodes.values()], [...links.values()]];
}

function layout(nodes, links) {
  const order = new Map(nodes.map((node, place) => [node, place]));
  const forward = links.filter(link => order.get(link.from) < order.get(link.to));
  const incoming = new Map(nodes.map(node => [node, []]));
  forward.forEach(link => incoming.get(link.to).push(link.from));
  nodes.forEach(node => { node.rank = Math.max(0, ...incoming.get(node).map(one => one.rank + 1)); });
  const rows = [];
  nodes.forEach(node => { (rows[node.rank] ??= []).push(node); });
  for (const row of rows) {
    row.forEach(node => {
      const near = incoming.get(node).filter(one => one.rank === node.rank - 1);
      const from = near.length ? near : incoming.get(node);
      node.wish = from.length ? from.reduce((sum, one) => sum + one.x, 0) / from.length : 0;
    });
    row.sort((a, b) => a.wish - b.wish || a.order - b.order);
    row[row.length - 1].last = true;
    const wide = WIDTH + GAP, middle = row.reduce((sum, node) => sum + node.wish, 0) / row.length;
    row.forEach((node, place) => {
      node.x = row.length === 1 ? node.wish : middle + (place - (row.length - 1) / 2) * wide;
    });
  }
  const frames = framesOf(nodes);
  frames.forEach(frame => {
    frame.above = nested(frames, frame, "top") * TITLE;
    frame.below = nested(frames, frame, "bottom") * PAD;
    frame.side = PAD * (1 + Math.max(0, ...frames.filter(one => one.name.startsWith(frame.name + "."))
      .map(one => one.name.split(".").length - frame.name.split(".").length)));
  });
  let y = 0;
  rows.forEach((row, rank) => {
    y += Math.max(0, ...frames.filter(frame => frame.top === rank).map(frame => frame.above));
    row.forEach(node => { node.y = y; });
    y += ROW + Math.max(0, ...frames.filter(frame => frame.bottom === rank).map(frame => frame.below));
  });
  const long = links.filter(link => Math.abs(link.to.rank - link.from.rank) > 1 || link.to.rank <= link.from.rank)
    .sort((a, b) => Math.abs(a.to.rank - a.from.rank) - Math.abs(b.to.rank - b.from.rank));
  const placed = [];
  long.forEach(link => {
    const top = Math.min(link.from.rank, link.to.rank), bottom = Math.max(link.from.rank, link.to.rank);
    let edge = Math.max(link.from.x, link.to.x) + WIDTH / 2;
    for (let rank = top + 1; rank < bottom; rank++)
      for (const node of rows[rank]) edge = Math.max(edge, node.x + WIDTH / 2);
    let lane = edge + LANE;
    while (placed.some(one => one.bottom > top && one.top < bottom && Math.abs(one.lane - lane) < LANE)) lane += LANE;
    const clear = node => Math.abs(node.x - link.from.x) > WIDTH / 2 + 8;
    const free = rows.slice(top + 1, bottom).every(row => row.every(clear));
    if (free && link.to.rank > link.from.rank && !link.from.last) { link.column = true; return; }
    placed.push({top, bottom, lane});
    link.lane = lane;
  });
  forward.forEach(link => {
    link.fan = forward.filter(one => one.from === link.from && one.lane === undefined).length > 1;
  });
  return frames;
}

// The open parts of which more than one node is seen, with the rows that they span, outer ones first.
function framesOf(nodes) {
  return [...open].filter(name => !parent(name) || open.has(parent(name))).map(name => {
    const inside = nodes.filter(node => node.name.startsWith(name + "."));
    const ranks = inside.map(node => node.rank);
    return {name, inside, top: Math.min(...ranks), bottom: Math.max(...ranks)};
  }).filter(frame => frame.inside.length > 1).sort((a, b) => a.name.split(".").length - b.name.split(".").length);
}

// How many frames, this one and those within it, begin or end in its first or last row.
function nested(frames, frame, edge) {
  const inner = frames.filter(one => one.name.startsWith(frame.name + ".") && one[edge] === frame[edge]);
  return 1 + Math.max(0, ...inner.map(one => nested(frames, one, edge)));
}

const svg = (name, attributes, ...children) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};

function route(link) {
  const {from, to, lane} = link;
  const x1 = from.x, y1 = from.y + HEIGHT, x2 = to.x, y2 = to.y;
  if (link.column) {
    const y = y2 - 34;
    return {path: `M${x1} ${y1}V${y}C${x1} ${y2 - 12} ${x2} ${y - 4} ${x2} ${y2}`, x: x1, y: y1 + 16};
  }
  if (lane === undefined) {
    const bend = (y2 - y1) / 2;
    const at = link.fan ? [x2, y2 - 10] : [x1, y1 + 17];
    return {path: `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`, x: at[0], y: at[1]};
  }
  const r = 12, down = y2 > y1 ? 1 : -1;
  const ya = from.last ? y1 - HEIGHT / 2 : y1 + 10, yb = to.last ? y2 + HEIGHT / 2 : y2 - 12;
  const start = from.last ? `M${x1 + WIDTH / 2} ${ya}` : `M${x1} ${y1}V${ya}`;
  const end = to.last ? `H${x2 + WIDTH / 2}` : `H${x2}V${y2}`;
  return {path: `${start}H${lane - r}Q${lane} ${ya} ${lane} ${ya + r * down}V${yb - r * down}` +
    `Q${lane} ${yb} ${lane - r} ${yb}${end}`, x: lane, y: (ya + yb) / 2};
}

function draw() {
  const [nodes, links] = visible();
  const frames = layout(nodes, links);
  const most = Math.max(1, ...nodes.map(node => node.figures.macs));
  const left = Math.min(...nodes.map(node => node.x)) - WIDTH / 2 - 60;
  const right = Math.max(...nodes.map(node => node.x + WIDTH / 2), ...links.map(link => link.lane ?? -1e9)) + 80;
  const bottom = Math.max(...nodes.map(node => node.y)) + HEIGHT + 30;
  const root = svg("svg", {viewBox: `${left} -26 ${right - left} ${bottom + 26}`, width: (right - left) * zoom,
    height: (bottom + 26) * zoom, role: "group", "aria-label": "Layers of " + data.network});
  const tip = svg("marker", {id: "tip", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 10, markerHeight: 10,
    markerUnits: "userSpaceOnUse", orient: "auto-start-reverse"}, svg("path", {d: "M0 0L8 4L0 8z"}));
  root.append(svg("defs", {}, tip));
  frames.forEach(({name, inside, above, below, side}) => {
    const x = Math.min(...inside.map(node => node.x)) - WIDTH / 2 - side;
    const y = Math.min(...inside.map(node => node.y)) - above;
    const w = Math.max(...inside.map(node => node.x)) + WIDTH / 2 + side - x;
    const h = Math.max(...inside.map(node => node.y)) + HEIGHT + below - y;
    const short = open.has(parent(name)) ? name.slice(parent(name).length + 1) : name;
    const about = {tabindex: 0, role: "button", "aria-label": "Fold " + name};
    const title = svg("text", {x: x + 7, y: y + 14, ...about}, "▾ " + short);
    title.addEventListener("click", () => fold(name));
    title.addEventListener("keydown", event => { if (event.key === "Enter") fold(name); });
    root.append(svg("g", {class: "part"}, svg("rect", {x, y, width: w, height: h, rx: 10}), title));
  });
  const shapes = svg("g", {});
  links.forEach(link => {
    const way = route(link), near = link.from.key === chosen || link.to.key === chosen;
    const kinds = ["edge", link.lane === undefined ? "" : "skip", near ? "near" : ""].join(" ").trim();
    root.append(svg("path", {d: way.path, class: kinds, "marker-end": "url(#tip)"}));
    const beside = link.lane === undefined ? 6 : 4;
    shapes.append(svg("text", {class: "shape", x: way.x + beside, y: way.y + 4}, size(link.shape)));
  });
  root.append(shapes);
  nodes.forEach(node => {
    const x = node.x - WIDTH / 2, short = node.name.split(".").slice(-2).join(".");
    const name = short.length > 23 ? "…" + short.slice(-22) : short;
    const label = node.part ? `${node.kind} · ${node.figures.layers} layers` : node.kind;
    const box = svg("g", {class: "node" + (node.key === chosen ? " chosen" : ""), tabindex: 0, role: "button",
      "aria-label": `${node.name}, ${label}, output ${size(node.output)}`},
      svg("rect", {class: "box", x, y: node.y, width: WIDTH, height: HEIGHT, rx: 8}),
      svg("rect", {x, y: node.y + 6, width: 4, height: HEIGHT - 12, rx: 2, fill: color(node.kind)}),
      svg("text", {class: "name", x: x + 12, y: node.y + 19}, (node.part ? "▸ " : "") + name),
      svg("text", {class: "kind", x: x + 12, y: node.y + 35}, label.slice(0, 30)));
    if (node.figures.macs) box.append(svg("rect", {class: "cost", x: x + 12, y: node.y + HEIGHT - 5,
      width: Math.max(1, (WIDTH - 24) * node.figures.macs / most), height: 2.5, rx: 1}));
    box.addEventListener("click", () => choose(node));
    box.addEventListener("dblclick", () => { if (node.part) unfold(node.part); });
    box.addEventListener("keydown", event => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(node); }
      if (event.key === "ArrowRight" && node.part) unfold(node.part);
    });
    root.append(box);
  });
  canvas.replaceChildren(root);
  document.getElementById("count").textContent = `${nodes.length} of ${steps.length} shown; ▸ unfolds`;
}

function choose(node) {
  if (chosen === node.key && node.part) { unfold(node.part); return; }
  chosen = node.key;
  const list = document.createElement("dl");
  const figures = node.figures, field = node.field;
  const rows = [["output", size(node.output)], ["parameters", figures.parameters.toLocaleString("en")]];
  if (figures.parameters !== figures.trainable)
    rows.push(["of them trained", figures.trainable.toLocaleString("en")]);
  rows.push(["multiply-accumulates", count(figures.macs)], ["share of them",
    data.macs ? (100 * figures.macs / data.macs).toFixed(1) + " %" : "–"], ["kept for backward", bytes(figures.kept)]);
  if (field === null) rows.push(["receptive field", "cannot be told"]);
  else if (field) {
    rows.push(["receptive field", same(field.size) + " px"]);
    if (field.stride.some(one => one !== null))
      rows.push(["its stride", same(field.stride)], ["its offset", same(field.offset)]);
  }
  rows.forEach(([name, value]) => {
    const term = document.createElement("dt"), told = document.createElement("dd");
    term.textContent = name; told.textContent = value; list.append(term, told);
  });
  const title = document.createElement("h2"), kind = document.createElement("p");
  title.textContent = node.name; kind.textContent = node.kind; kind.className = "note";
  panel.replaceChildren(title, kind, list);
  if (node.part) {
    const button = document.createElement("button");
    button.type = "button"; button.textContent = "Unfold"; button.addEventListener("click", () => unfold(node.part));
    panel.append(button);
  }
  draw();
}

function unfold(name) {
  open.add(name);
  while (true) {  // a part that holds one part only opens with it
    const inner = [...new Set(parts.get(name).map(number => owner(number)))];
    if (inner.length !== 1 || !inner[0].startsWith("part:")) break;
    name = inner[0].slice(5);
    open.add(name);
  }
  chosen = null;
  draw();
}
function fold(name) {
  [...open].filter(one => one === name || one.startsWith(name + ".")).forEach(one => open.delete(one));
  chosen = null;
  draw();
}
function deeper() {
  const closed = new Set(steps.map((_, number) => owner(number)).filter(key => key.startsWith("part:")));
  closed.forEach(key => open.add(key.slice(5)));
  return closed.size > 0;
}
const fit = () => {
  zoom = 1; draw();
  const wide = canvas.querySelector("svg").viewBox.baseVal.width;
  zoom = Math.min(1, Math.max(.3, (canvas.clientWidth - 12) / wide));
  draw();
};
document.getElementById("more").addEventListener("click", () => { deeper(); draw(); });
document.getElementById("less").addEventListener("click", () => {
  const deepest = Math.max(0, ...[...open].map(name => name.split(".").length));
  [...open].filter(name => name.split(".").length === deepest).forEach(name => open.delete(name));
  draw();
});
document.getElementById("in").addEventListener("click", () => { zoom = Math.min(3, zoom * 1.25); draw(); });
document.getElementById("out").addEventListener("click", () => { zoom = Math.max(.2, zoom / 1.25); draw(); });
document.getElementById("fit").addEventListener("click", fit);
for (let depth = 0; depth < 9; depth++) {
  const before = new Set(open);
  if (!deeper()) break;
  if (visible()[0].length > MOST) {
    open.clear(); before.forEach(name => open.add(name));
    break;
  }
}
fit();
"""
