// What pages do beyond HTML: charts from JSON beside them, copying examples, and live figures.
"use strict";

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
let drawing = null;

function chartLibrary() {
  drawing ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "/static/vendor/echarts.min.js";
    script.onload = () => resolve(window.echarts);
    script.onerror = () => reject(new Error("echarts"));
    document.head.append(script);
  });
  return drawing;
}

// The width of a text as charts letter it.
const ruler = document.createElement("canvas").getContext("2d");
function widthOf(text, size) {
  ruler.font = `${size}px ${style("--font")}`;
  return ruler.measureText(text).width;
}

// Names that are all to be said. Below a chart: in lines where each word has room, else aslant; beside lying bars: in as many lines as a bar is high.
function fitted(label, names, width, height, size) {
  const { fit, ...rest } = label;
  const longestName = Math.max(0, ...names.map((name) => widthOf(String(name), size)));
  if (fit === "beside") {
    const most = Math.max(110, Math.min(240, width * 0.4)), rows = Math.max(1, Math.floor((height - 40) / Math.max(1, names.length) / (size + 2)));
    const wraps = rows > 1 && names.every((name) => linesOf(String(name), most, size) <= rows);
    return { interval: 0, lineHeight: size + 1, ...(longestName > most && { width: most, overflow: wraps ? "break" : "truncate" }), ...rest };
  }
  const room = (width - 100) / Math.max(1, names.length) - 6;
  // Chinese breaks between any two characters, but not into single ones.
  const word = (one) => Math.min(widthOf(one, size), /[\u3400-\u9fff]/.test(one) ? 4 * size : Infinity);
  const longest = Math.max(0, ...names.flatMap((name) => String(name).split(/\s+/).map(word)));
  const lines = Math.max(1, ...names.map((name) => linesOf(String(name), room, size)));
  if (longest + 8 <= room && lines <= 3) return { interval: 0, width: room, overflow: "break", lineHeight: size + 2, lines, ...rest };
  // Aslant they need the height of a line each; where there is not even that, some are left out.
  return { interval: room + 6 >= size * 1.7 ? 0 : "auto", rotate: 40, width: Math.min(104, height * 0.4), overflow: "truncate", ...rest };
}

// How many lines a name takes where it may be so wide: broken between words, and between any two characters of Chinese.
function linesOf(name, width, size) {
  // Where there is no room at all, no number of lines is enough.
  if (!(width > size)) return name.length;
  let lines = 1, at = 0;
  for (const part of name.match(/[\u3000-\u9fff\uff00-\uffef]|[^\s\u3000-\u9fff\uff00-\uffef]+\s*|\s+/g) || []) {
    const wide = widthOf(part.trimEnd(), size);
    if (at && at + wide > width) { lines += 1; at = 0; }
    at += widthOf(part, size);
    if (wide > width) { lines += Math.floor(at / width); at %= width; }
  }
  return lines;
}

// How many rows the names of a legend take.
function rowsOf(names, width, size) {
  let rows = 1, at = 0;
  for (const name of names) {
    const wide = widthOf(String(name), size) + 42;
    if (at && at + wide > width) { rows += 1; at = 0; }
    at += wide;
  }
  return rows;
}

// Room for what the names on a chart need more than one line for: those below bars, and those of a legend, which wraps where it is not too long.
function roomed(option, box, size) {
  const below = [option.xAxis].flat().find((a) => a && a.axisLabel && a.axisLabel.fit);
  const label = below && fitted(below.axisLabel, below.data, box.clientWidth, box.clientHeight, size);
  const grid = { ...option.grid };
  // The library leaves room for one line.
  if (label && label.lines > 1) grid.bottom = (grid.bottom || 8) + (label.lines - 1) * (size + 2);
  const names = option.legend ? option.series.flatMap((one) => (one.type === "pie" ? one.data.map((slice) => slice.name) : one.name || [])) : [];
  const rows = rowsOf(names, box.clientWidth - 16, size), wraps = rows > 1 && rows <= 3;
  const pie = wraps && option.series.some((one) => one.type === "pie");
  if (wraps && grid.top) grid.top += (rows - 1) * (size + 12);
  return {
    ...option, ...(option.grid && { grid }), ...(wraps && { legend: { type: "plain", ...option.legend } }),
    ...(pie && { series: option.series.map((one) => ({ ...one, center: ["50%", "40%"], radius: ["30%", "50%"] })) }),
  };
}

// The band and the number of a gauge go with its ring: the number stands within it however small that is.
function ringed(one, box, largest) {
  const radius = (Math.min(box.clientWidth, box.clientHeight) / 2) * 0.92, band = Math.round(Math.max(5, Math.min(14, radius * 0.16)));
  const said = `${one.data[0].value ?? ""}${one.detail.formatter.replace("{value}", "")}`;
  const fits = Math.floor((1.55 * (radius - band)) / Math.max(1, widthOf(said, 100)) * 100);
  return { ...one, progress: { ...one.progress, width: band }, axisLine: { lineStyle: { width: band, color: [[1, style("--line")]] } }, detail: { ...one.detail, color: style("--ink"), fontSize: Math.max(10, Math.min(largest, fits)) } };
}

function dressed(given, box) {
  // On a wall everything is larger, what stands in charts too.
  const scale = parseFloat(getComputedStyle(document.documentElement).fontSize) / 15;
  const size = (n) => Math.round(n * scale);
  const option = roomed(given, box, size(12));
  const ink = style("--soft");
  const lettered = (a) => a && { ...a, fontSize: size(a.fontSize || 12) };
  const label = (a) => (a.axisLabel && a.axisLabel.fit ? fitted(a.axisLabel, a.data, box.clientWidth, box.clientHeight, size(12)) : a.axisLabel);
  const axis = (a) => ({ axisLine: { lineStyle: { color: style("--line") } }, splitLine: { lineStyle: { color: style("--line") } }, ...a, axisLabel: lettered({ color: ink, ...label(a) }), nameTextStyle: { color: ink, fontSize: size(12) } });
  const each = (value, f) => (Array.isArray(value) ? value.map(f) : value && f(value));
  const palette = [style("--deep"), style("--citrus"), "#5b8fb9", "#8a6fb0", "#7d9b4e", "#b05f6d", "#4f7f86", "#a38a3c"];
  // Kinds on a map have their own colours, the same as in the words below it; what is pointed at says its kind.
  const { kinds, ...rest } = option;
  const pieces = kinds && option.visualMap.pieces.map((one) => ({ ...one, color: style(`--kind-${one.value % 8}`) }));
  const kindOf = (at) => { const value = Array.isArray(at.value) ? at.value[2] : at.value; return window.echarts.format.encodeHTML([at.name, kinds[value]].filter(Boolean).join(" · ")); };
  // A front page's map says its own colours.
  const land = (a) => ({ ...a, itemStyle: { areaColor: style("--deep-soft"), borderColor: style("--paper"), ...a.itemStyle }, label: lettered({ color: style("--ink"), textBorderColor: style("--paper"), textBorderWidth: 2, ...a.label }) });
  return {
    color: palette,
    textStyle: { fontFamily: style("--font"), color: style("--ink") },
    animation: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    grid: { left: 12, right: 18, top: 36, bottom: 8, containLabel: true },
    ...rest,
    tooltip: { trigger: "axis", confine: true, backgroundColor: style("--paper"), borderColor: style("--line"), textStyle: { color: style("--ink") }, ...option.tooltip, ...(kinds && { formatter: kindOf }) },
    visualMap: option.visualMap && { ...option.visualMap, ...(pieces && { pieces }), ...(option.visualMap.shades && { inRange: { color: [style("--deep-soft"), style("--deep")] }, textStyle: { color: ink, fontSize: size(12) } }) },
    radar: option.radar && { axisName: { color: ink, fontSize: size(12) }, splitLine: { lineStyle: { color: style("--line") } }, splitArea: { show: false }, axisLine: { lineStyle: { color: style("--line") } }, ...option.radar },
    geo: option.geo && land(option.geo),
    series: each(option.series, (one) => (one.type === "map" ? land(one) : one.type === "gauge" ? { ...ringed(one, box, size(one.detail.fontSize)), itemStyle: { color: style("--deep") }, axisLabel: { color: ink, ...one.axisLabel }, splitLine: { ...one.splitLine, lineStyle: { color: style("--edge") } }, title: lettered({ color: ink, ...one.title }) } : ["pie", "sankey", "graph"].includes(one.type) ? { ...one, label: lettered({ color: style("--ink"), ...one.label }), ...(one.type === "sankey" && { right: Math.min(one.right, Math.round(box.clientWidth * 0.3)), labelLayout: { hideOverlap: true }, data: one.data.map((node, n) => ({ ...node, itemStyle: { color: palette[n % palette.length] } })) }) } : one)),
    legend: option.legend && { textStyle: { color: ink, fontSize: size(12) }, type: "scroll", top: 0, ...option.legend },
    xAxis: each(option.xAxis, axis),
    yAxis: each(option.yAxis, axis),
  };
}

async function draw(box) {
  if (box.dataset.drawn) return;
  box.dataset.drawn = "1";
  try {
    const option = JSON.parse(box.querySelector("script[type='application/json']").textContent);
    const echarts = await chartLibrary();
    if (option.map) echarts.registerMap(option.map.name, option.map.shapes || await (await fetch(option.map.url)).json());
    const canvas = document.createElement("div");
    canvas.style.cssText = "width:100%;height:100%";
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", box.dataset.label || "");
    box.append(canvas);
    const chart = echarts.init(canvas, null, { renderer: "svg" });
    box.sanquChart = chart;
    chart.on("finished", () => { box.dataset.state = "drawn"; });
    const { map, links, ...rest } = option;
    chart.setOption(dressed(rest, box));
    if (links) chart.on("click", (event) => { if (links[event.name]) location.href = links[event.name]; });
    new ResizeObserver(() => chart.resize()).observe(box);
  } catch (fault) {
    box.dataset.state = "failed";
    box.insertAdjacentHTML("beforeend", `<p class="soft">${box.dataset.failed || "chart: " + fault.message}</p>`);
  }
}

// The same chart with the option that stands beside it now.
function redraw(box) {
  const { map, links, ...rest } = JSON.parse(box.querySelector("script[type='application/json']").textContent);
  if (map && map.shapes) window.echarts.registerMap(map.name, map.shapes);
  // Who has moved the map nearer goes on looking there.
  const held = rest.geo && box.sanquChart.getOption().geo;
  if (held && held[0] && held[0].center) Object.assign(rest.geo, { center: held[0].center, zoom: held[0].zoom });
  try {
    box.sanquChart.setOption(dressed(rest, box), { notMerge: true });
  } catch {
    // The library stays broken after a fault of its own; the page goes on, and so does the chart, made anew.
    box.sanquChart.dispose();
    box.querySelector("[role=img]").remove();
    delete box.dataset.drawn;
    draw(box);
  }
}
window.sanqu = { dress, redraw };

function dress(root) {
  root.querySelectorAll(".chart").forEach(draw);
  root.querySelectorAll("[data-copy]").forEach((button) => {
    button.onclick = async () => {
      await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent.trim());
      button.textContent = button.dataset.done;
    };
  });
  root.querySelectorAll("select[data-auto]").forEach((select) => { select.onchange = () => select.form.submit(); });
  root.querySelectorAll("progress[data-live]").forEach(follow);
}

function follow(bar) {
  const source = new EventSource(bar.dataset.live);
  source.onmessage = (event) => {
    const said = JSON.parse(event.data);
    if (typeof said.fraction === "number") bar.value = said.fraction;
    const label = bar.nextElementSibling;
    if (label && said.text) label.textContent = said.text;
    if (said.done) { source.close(); location.reload(); }
  };
  source.onerror = () => { if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 3000); };
}

// Where a row of links is wider than the screen, the one that is open is in sight.
function showCurrent() {
  document.querySelectorAll("nav [aria-current]").forEach((here) => {
    const row = here.closest("nav"), from = (one) => one.offsetLeft - row.offsetLeft;
    // From the heading of its group on, if both have room.
    const group = here.closest(".group") || here, both = from(here) + here.offsetWidth - from(group) <= row.clientWidth;
    row.scrollLeft = from(both ? group : here) - (both && group !== here ? 0 : 24);
  });
}

// On a phone the menu is one row that moves sideways; the button opens all of it.
function openMenu() {
  const button = document.querySelector(".menu-all");
  if (!button) return;
  const menu = document.getElementById("menu");
  const show = (open) => { menu.classList.toggle("open", open); button.setAttribute("aria-expanded", open); if (!open) showCurrent(); };
  button.hidden = false;
  button.onclick = () => show(!menu.classList.contains("open"));
  menu.addEventListener("keydown", (event) => { if (event.key === "Escape" && menu.classList.contains("open")) { show(false); button.focus(); } });
}

document.addEventListener("DOMContentLoaded", () => { dress(document); openMenu(); showCurrent(); });
document.addEventListener("htmx:afterSettle", (event) => dress(event.target));
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) {
    const field = document.querySelector("input[type=search]");
    if (field) { event.preventDefault(); field.focus(); }
  }
});

// A signature: drawn by finger, pen or mouse, sent as a picture; nothing is sent until something is drawn.
for (const form of document.querySelectorAll("form[data-sign]")) {
  const canvas = form.querySelector("canvas");
  const pen = canvas.getContext("2d");
  const at = (event) => [(event.offsetX * canvas.width) / canvas.clientWidth, (event.offsetY * canvas.height) / canvas.clientHeight];
  let down = false;
  let drawn = false;
  Object.assign(pen, { lineWidth: 2.5, lineCap: "round", lineJoin: "round", strokeStyle: "#14202b" });
  canvas.addEventListener("pointerdown", (event) => {
    down = true;
    canvas.setPointerCapture(event.pointerId);
    pen.beginPath();
    pen.moveTo(...at(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!down) return;
    drawn = true;
    pen.lineTo(...at(event));
    pen.stroke();
  });
  canvas.addEventListener("pointerup", () => (down = false));
  form.addEventListener("submit", (event) => {
    // Where the form says more than the signature, it is sent without one too.
    if (!drawn && form.dataset.sign !== "optional") event.preventDefault();
    if (drawn) form.querySelector("[name=signature]").value = canvas.toDataURL("image/png");
  });
}
