// The live page: one message a second from /events, drawn without any library.
'use strict';

const HISTORY_MS = 15 * 60 * 1000;
const $ = (id) => document.getElementById(id);
const number = (value) => Math.round(value).toLocaleString('en-US');
const rate = (value) => (value < 9.95 ? value.toFixed(1) : number(value));
const ms = (us) => (us < 9950 ? (us / 1000).toFixed(2) : (us / 1000).toFixed(us < 99500 ? 1 : 0)) + ' ms';
const percent = (part, whole) => (whole > 0 ? (100 * part / whole).toFixed(part === whole ? 0 : 2) + ' %' : '–');

let last = null;      // the newest message
let before = null;    // the one that rates are counted from
let points = [];      // { at, hits, misses } a message, for 15 minutes
let mode = 'requests';
let chosen = null;    // { node, shard } that the readout is about
let cells = null;     // geometry of the heat map

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function fill(table, columns, rows, empty) {
  if (isSelected(table)) return;
  const head = element('tr');
  for (const column of columns) {
    const cell = element('th', column.name, column.numeric ? 'number' : '');
    cell.scope = 'col';
    head.append(cell);
  }
  const body = rows.map((row) => {
    const line = element('tr');
    line.append(...columns.map((column) => {
      const value = column.of(row);
      const cell = element('td', null, [column.numeric ? 'number' : '', column.className || ''].join(' ').trim());
      if (value instanceof Node) cell.append(value); else cell.textContent = value ?? '–';
      if (column.key) cell.dataset.key = column.key;
      return cell;
    }));
    return line;
  });
  if (!rows.length) {
    const cell = element('td', empty, 'dim');
    cell.colSpan = columns.length;
    const line = element('tr');
    line.append(cell);
    body.push(line);
  }
  const [thead, tbody] = [element('thead'), element('tbody')];
  thead.append(head);
  tbody.append(...body);
  table.replaceChildren(thead, tbody);
}

// A text that a reader has selected stays as it is.
function isSelected(of) {
  const selection = document.getSelection();
  return selection && !selection.isCollapsed && of.contains(selection.anchorNode);
}

function seconds() {
  return before ? Math.max(0.001, (last.now_ms - before.now_ms) / 1000) : 0;
}

/// How much a counter grew in a second since the message before; a counter that began anew says nothing.
function growth(now, then) {
  return before && then !== undefined && now >= then ? (now - then) / seconds() : 0;
}

function drawFigures() {
  const t = last.totals, b = before ? before.totals : t;
  const judged = (t.hits - b.hits) + (t.misses - b.misses);
  const open = last.lanes.open, missing = last.lanes.missing;
  const figures = [
    ['Requests', rate(growth(t.requests, b.requests)), '/s'],
    ['Hit rate', percent(t.hits - b.hits, judged), ''],
    ['Latency p50', ms(t.latency_p50_us), ''],
    ['Latency p99', ms(t.latency_p99_us), ''],
    ['Own time p99', ms(t.own_p99_us), ''],
    ['Clients', number(t.clients), ''],
    ['In flight', number(t.in_flight), ''],
    ['Lanes', number(open), missing ? 'of ' + number(open + missing) : 'open'],
  ];
  $('figures').replaceChildren(...figures.map(([name, value, unit]) => {
    const box = element('div');
    const shown = element('dd', value + ' ');
    shown.append(element('small', unit));
    box.append(element('dt', name), shown);
    return box;
  }));
}

function canvas(id, height) {
  const shown = $(id);
  if (height) shown.style.height = height + 'px';
  const box = shown.getBoundingClientRect();
  const scale = window.devicePixelRatio || 1;
  const [width, tall] = [Math.round(box.width * scale), Math.round(box.height * scale)];
  if (shown.width !== width || shown.height !== tall) {
    shown.width = width;
    shown.height = tall;
  }
  const pen = shown.getContext('2d');
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, box.width, box.height);
  const css = getComputedStyle(document.documentElement);
  return { pen, width: box.width, height: box.height, colour: (name) => css.getPropertyValue(name).trim() };
}

function drawRate() {
  const { pen, width, height, colour } = canvas('rate');
  const [left, right, top, bottom] = [40, width - 6, 8, height - 20];
  const end = last.now_ms, start = end - HISTORY_MS;
  const x = (at) => left + (right - left) * (at - start) / HISTORY_MS;
  const shown = points.filter((point) => point.rate !== null);
  const least = shown.reduce((low, point) => Math.min(low, point.rate), 1);
  const floor = least >= 0.9 ? 0.9 : least >= 0.5 ? 0.5 : 0;
  const y = (value) => bottom - (bottom - top) * (value - floor) / (1 - floor);
  pen.font = '11px system-ui, "DejaVu Sans", sans-serif';
  pen.fillStyle = colour('--dim');
  pen.strokeStyle = colour('--line');
  pen.lineWidth = 1;
  pen.textBaseline = 'middle';
  pen.textAlign = 'right';
  for (const value of [floor, (1 + floor) / 2, 1]) {
    pen.beginPath();
    pen.moveTo(left, Math.round(y(value)) + 0.5);
    pen.lineTo(right, Math.round(y(value)) + 0.5);
    pen.stroke();
    pen.fillText(Math.round(value * 100) + ' %', left - 6, y(value));
  }
  pen.textBaseline = 'alphabetic';
  for (const minutes of [15, 10, 5, 0]) {
    pen.textAlign = minutes === 0 ? 'right' : minutes === 15 ? 'left' : 'center';
    pen.fillText(minutes ? '−' + minutes + ' min' : 'now', x(end - minutes * 60000), height - 5);
  }
  pen.strokeStyle = colour('--accent');
  pen.lineWidth = 1.8;
  pen.lineJoin = 'round';
  pen.beginPath();
  let pen_down = false, previous = 0;
  for (const point of shown) {
    // A gap of time without judged requests stays a gap.
    if (pen_down && point.at - previous < 5000) pen.lineTo(x(point.at), y(point.rate));
    else { pen.moveTo(x(point.at) - 1, y(point.rate)); pen.lineTo(x(point.at), y(point.rate)); }
    pen_down = true;
    previous = point.at;
  }
  pen.stroke();
  const sums = points.reduce((sum, point) => [sum[0] + point.hits, sum[1] + point.misses], [0, 0]);
  const minutes = points.length ? Math.max(1, Math.round((end - points[0].at) / 60000)) : 0;
  $('rate-note').textContent = sums[0] + sums[1]
    ? percent(sums[0], sums[0] + sums[1]) + ' in the last ' + (minutes === 1 ? 'minute' : minutes + ' minutes')
    : 'no request was judged by a node since this page was opened';
}

function valueOf(node, then, shard) {
  if (mode === 'in_flight') return node.in_flight[shard];
  const asked = growth(node.requests[shard], then && then.requests[shard]);
  if (mode === 'requests') return asked;
  const answered = growth(node.answered[shard], then && then.answered[shard]);
  return answered > 0 ? growth(node.waited_us[shard], then.waited_us[shard]) / answered : 0;
}

const shownAs = (value) => (mode === 'requests' ? rate(value) + ' /s' : mode === 'latency' ? ms(value) : number(value));

function parts(triple) { return triple.split(/[ %]+/).filter(Boolean).map(Number); }

function drawHeat() {
  const nodes = last.nodes;
  const shards = nodes.reduce((most, node) => Math.max(most, node.lanes.length), 1);
  const tall = nodes.length <= 16 ? 24 : nodes.length <= 40 ? 14 : 9;
  const { pen, width, colour } = canvas('heat', Math.max(30, nodes.length * tall + 4));
  const labels = tall >= 14 ? Math.min(120, Math.max(76, width * 0.22)) : 0;
  const wide = Math.max(2, Math.min(120, (width - labels) / shards));
  cells = { nodes, shards, tall, wide, labels };
  const old = new Map((before ? before.nodes : []).map((node) => [node.address, node]));
  const values = nodes.map((node) => node.lanes.map((_, shard) => valueOf(node, old.get(node.address), shard)));
  const most = values.flat().reduce((high, value) => Math.max(high, value), 0);
  const [low, high] = [parts(colour('--heat-low')), parts(colour('--heat-high'))];
  const gap = wide > 6 && tall > 10 ? 2 : wide > 3 ? 1 : 0;
  pen.font = '12px system-ui, "DejaVu Sans", sans-serif';
  pen.textBaseline = 'middle';
  nodes.forEach((node, row) => {
    const y = row * tall + 2;
    if (labels) {
      pen.fillStyle = colour('--dim');
      pen.fillText(node.address, 0, y + tall / 2, labels - 8);
    }
    node.lanes.forEach((lanes, shard) => {
      const x = labels + shard * wide;
      if (!lanes) {
        pen.fillStyle = colour('--empty');
        pen.fillRect(x, y, wide - gap, tall - gap);
        pen.strokeStyle = colour('--bad');
        pen.lineWidth = 1;
        if (wide > 5) pen.strokeRect(x + 0.5, y + 0.5, wide - gap - 1, tall - gap - 1);
        return;
      }
      const part = most > 0 ? values[row][shard] / most : 0;
      const mixed = low.map((from, at) => from + (high[at] - from) * part);
      pen.fillStyle = values[row][shard] > 0 ? `hsl(${mixed[0]} ${mixed[1]}% ${mixed[2]}%)` : colour('--empty');
      pen.fillRect(x, y, wide - gap, tall - gap);
    });
  });
  if (chosen && nodes[chosen.node]) {
    pen.strokeStyle = colour('--text');
    pen.lineWidth = 2;
    pen.strokeRect(labels + chosen.shard * wide, chosen.node * tall + 1, wide - gap + 1, tall - gap + 2);
  }
  $('low').textContent = shownAs(0);
  $('high').textContent = shownAs(most);
  describe(old);
}

function describe(old) {
  const node = chosen && last.nodes[chosen.node];
  if (!node || chosen.shard >= node.lanes.length) return;
  const then = (old || new Map()).get(node.address);
  const shard = chosen.shard;
  const asked = growth(node.requests[shard], then && then.requests[shard]);
  const answered = growth(node.answered[shard], then && then.answered[shard]);
  const mean = answered > 0 ? ms(growth(node.waited_us[shard], then.waited_us[shard]) / answered) : '–';
  const lanes = node.lanes[shard];
  $('cell').textContent = `${node.address} (${node.data_center}, ${node.rack}), shard ${shard}: ` +
    `${rate(asked)} requests/s, ${node.in_flight[shard]} in flight, mean latency ${mean}, ` +
    (lanes ? `${lanes} ${lanes === 1 ? 'lane' : 'lanes'}` : 'no lane') + ` · ${number(node.requests[shard])} since its lanes opened`;
}

function choose(node, shard) {
  if (!cells || !cells.nodes.length) return;
  node = Math.max(0, Math.min(cells.nodes.length - 1, node));
  const shards = Math.max(1, cells.nodes[node].lanes.length);
  chosen = { node, shard: Math.max(0, Math.min(shards - 1, shard)) };
  drawHeat();
}

function drawTables() {
  const judged = (row) => row.hits + row.misses;
  const old = new Map((before ? before.tables : []).map((row) => [row.name, row]));
  fill($('tables'), [
    { name: 'Table', of: (row) => row.name, className: 'code', key: 'table' },
    { name: 'Found by', of: (row) => row.found_by.replace('_', ' ') },
    { name: 'Tablets', numeric: true, of: (row) => (row.found_by === 'tablets' ? number(row.tablets) : '–'), key: 'tablets' },
    { name: 'Requests', numeric: true, of: (row) => number(row.requests), key: 'requests' },
    { name: '/s', numeric: true, of: (row) => rate(growth(row.requests, (old.get(row.name) || {}).requests)) },
    { name: 'Hits', numeric: true, of: (row) => (row.judged ? number(row.hits) : '–'), key: 'hits' },
    { name: 'Misses', numeric: true, of: (row) => (row.judged ? number(row.misses) : '–'), key: 'misses' },
    { name: 'Hit rate', numeric: true, of: (row) => (row.judged
      ? element('span', percent(row.hits, judged(row)), row.hits >= 0.95 * judged(row) ? 'good' : 'bad') : '–') },
  ], last.tables, 'no table was asked for by a prepared statement yet');
  const all = last.reasons.reduce((sum, row) => sum + row.requests, 0);
  fill($('reasons'), [
    { name: 'Reason', of: (row) => {
      const cell = element('span', row.reason, 'code');
      if (row.advice) cell.append(element('span', row.advice, 'advice'));
      return cell;
    } },
    { name: 'Requests', numeric: true, of: (row) => number(row.requests), key: 'requests' },
    { name: 'Share', numeric: true, of: (row) => percent(row.requests, all) },
    { name: 'To a replica', of: (row) => element('span', row.to_replica ? 'yes' : 'no', row.to_replica ? 'good' : 'dim') },
  ], last.reasons, 'no request yet');
  fill($('statements'), [
    { name: 'Statement', className: 'code', of: (row) => {
      const cell = element('span', row.statement);
      if (row.advice) cell.append(element('span', row.advice, 'advice'));
      return cell;
    } },
    { name: 'Route', of: (row) => element('span', row.route.replace('_', ' '), row.route === 'none' ? 'bad' : '') },
    { name: 'Requests', numeric: true, of: (row) => number(row.requests) },
    { name: 'Mean', numeric: true, of: (row) => (row.mean_us === null ? '–' : ms(row.mean_us)) },
  ], last.statements, 'no statement was prepared yet');
  fill($('clients'), [
    { name: 'Driver', of: (row) => row.driver },
    { name: 'Version', of: (row) => row.version },
    { name: 'Protocol', numeric: true, of: (row) => row.protocol },
    { name: 'Clients', numeric: true, of: (row) => number(row.clients), key: 'clients' },
    { name: 'In flight', numeric: true, of: (row) => number(row.in_flight) },
  ], last.clients, 'no client is connected');
  fill($('lanes'), [
    { name: 'Node', of: (row) => row.node, className: 'code' },
    { name: 'Shards', numeric: true, of: (row) => number(row.shards) },
    { name: 'Open', numeric: true, of: (row) => element('span', number(row.open), row.open ? '' : 'bad') },
    { name: 'Stalled', numeric: true, of: (row) => element('span', number(row.stalled), row.stalled ? 'bad' : '') },
    { name: 'Draining', numeric: true, of: (row) => number(row.draining) },
    { name: 'In flight', numeric: true, of: (row) => number(row.in_flight) },
    { name: 'Shard-aware port', of: (row) => element('span', (row.port || 'unknown').replace(/_/g, ' '),
      row.port === 'rewritten' || row.port === 'closed' ? 'bad' : '') },
  ], last.lane_sums, 'no node is known yet');
}

function drawEvents() {
  if (isSelected($('events'))) return;
  if (!last.events.length) {
    $('events').replaceChildren(element('li', 'nothing was logged yet', 'dim'));
    return;
  }
  $('events').replaceChildren(...last.events.map((line) => {
    const row = element('li');
    const at = element('time', new Date(line.at_ms).toLocaleTimeString('en-GB'));
    at.dateTime = new Date(line.at_ms).toISOString();
    row.append(at, element('span', line.level, 'level ' + line.level), element('span', line.message, 'text'));
    return row;
  }));
}

function draw() {
  if (!last) return;
  $('version').textContent = last.version + ' · ' + (last.workers === 1 ? '1 worker' : last.workers + ' workers');
  const state = $('state');
  state.textContent = last.reasons_not_ready.length
    ? last.state + ': ' + last.reasons_not_ready.join('; ') : 'ready';
  state.className = last.reasons_not_ready.length ? 'unready' : 'ready';
  drawFigures();
  drawRate();
  drawHeat();
  drawTables();
  drawEvents();
  document.body.dataset.messages = Number(document.body.dataset.messages || 0) + 1;
}

function take(message) {
  if (last && message.now_ms <= last.now_ms) return;
  // A process that was started anew counts from 0 again.
  if (last && message.started_ms !== last.started_ms) last = null;
  before = last;
  last = message;
  if (before) {
    const hits = Math.max(0, last.totals.hits - before.totals.hits);
    const misses = Math.max(0, last.totals.misses - before.totals.misses);
    points.push({ at: last.now_ms, hits, misses, rate: hits + misses ? hits / (hits + misses) : null });
    points = points.filter((point) => point.at > last.now_ms - HISTORY_MS);
  }
  requestAnimationFrame(draw);
}

let silence = 0;
function heard() {
  clearTimeout(silence);
  silence = setTimeout(lost, 4000);
}
function lost() {
  $('state').textContent = 'no word from shardlane, trying again…';
  $('state').className = 'lost';
}

function listen() {
  const source = new EventSource('events');
  heard();
  source.onmessage = (event) => {
    heard();
    take(JSON.parse(event.data));
  };
  source.onerror = () => {
    // The stream ends every few seconds and is taken up again by itself. Refused, it has to be asked for anew.
    if (source.readyState !== EventSource.CLOSED) return;
    lost();
    setTimeout(listen, 2000);
  };
}

$('modes').addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (button) setMode(button.dataset.mode);
});
$('modes').addEventListener('keydown', (event) => {
  const buttons = [...$('modes').children];
  const at = buttons.findIndex((button) => button.dataset.mode === mode);
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const next = buttons[(at + step + buttons.length) % buttons.length];
  setMode(next.dataset.mode);
  next.focus();
});
function setMode(wanted) {
  mode = wanted;
  for (const button of $('modes').children) {
    const checked = button.dataset.mode === mode;
    button.setAttribute('aria-checked', String(checked));
    button.tabIndex = checked ? 0 : -1;
  }
  if (last) drawHeat();
}
$('heat').addEventListener('mousemove', (event) => {
  if (!cells) return;
  const node = Math.floor((event.offsetY - 2) / cells.tall);
  const shard = Math.floor((event.offsetX - cells.labels) / cells.wide);
  if (shard >= 0 && node >= 0 && node < cells.nodes.length) choose(node, shard);
});
$('heat').addEventListener('keydown', (event) => {
  const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
  if (!step) return;
  event.preventDefault();
  const from = chosen || { node: 0, shard: -1 };
  choose(from.node + step[0], from.shard + step[1]);
});
$('heat').addEventListener('focus', () => { if (!chosen) choose(0, 0); });
window.addEventListener('resize', () => { if (last) requestAnimationFrame(() => { drawRate(); drawHeat(); }); });
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => requestAnimationFrame(draw));
listen();
