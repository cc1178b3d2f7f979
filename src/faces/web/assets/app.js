// Keeps an open page up to date: parts that changed come as server-sent events and replace the old ones, without
// touching what a person is typing or has opened. The pages work without it.
'use strict';

const live = document.getElementById('live');
let source = null;

/// Makes `old` like `fresh`, changing only what differs.
function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !(old.nodeName === 'DETAILS' && name === 'open')) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    // What a person folded stays folded.
    if (old.nodeName === 'DETAILS' && name === 'open') continue;
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  // The script writes these times itself.
  if (old.nodeName === 'TIME' || old.nodeName === 'TEXTAREA') return;
  const before = [...old.childNodes];
  const after = [...fresh.childNodes];
  after.forEach((child, at) => (at < before.length ? morph(before[at], child) : old.append(child)));
  before.slice(after.length).forEach((child) => child.remove());
}

function receive({ id, html }) {
  const old = document.getElementById(id);
  if (!old) return;
  const template = document.createElement('template');
  template.innerHTML = html;
  const log = old.querySelector('[data-follow]');
  const follows = !log || log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  morph(old, template.content.firstElementChild);
  if (follows) toEnd();
  tick();
}

/// Shows the newest lines of a log.
function toEnd() {
  for (const log of document.querySelectorAll('[data-follow]')) log.scrollTop = log.scrollHeight;
}

function ago(seconds) {
  if (seconds < 0) return null;
  if (seconds < 2) return 'just now';
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return null;
}

function lasting(seconds) {
  const whole = Math.max(seconds, 0);
  const [minutes, hours, days] = [60, 3600, 86400].map((unit) => Math.floor(whole / unit));
  const two = (n) => String(n % 60).padStart(2, '0');
  if (!minutes) return `${whole}s`;
  if (!hours) return `${minutes}m ${two(whole)}s`;
  return days ? `${days}d ${hours % 24}h` : `${hours}h ${two(minutes)}m`;
}

/// Times that pass.
function tick() {
  const now = Date.now();
  for (const time of document.querySelectorAll('time')) {
    const at = new Date(time.dateTime);
    const seconds = Math.floor((now - at) / 1000);
    const words = 'lasting' in time.dataset ? lasting(seconds) : ago(seconds) ?? clock(at);
    if (time.textContent !== words) time.textContent = words;
    time.title = at.toLocaleString();
  }
}

function clock(at) {
  const time = at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  if (at.toDateString() === new Date().toDateString()) return time;
  return `${at.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })} ${time}`;
}

function connect() {
  if (source || document.hidden) return;
  source = new EventSource(`/events?page=${encodeURIComponent(document.body.dataset.page)}`);
  source.onopen = () => say('live', 'Live');
  source.onerror = () => {
    say('lost', 'Not connected: teof web has stopped, or is busy');
    // After a refusal the browser does not try again by itself.
    if (source && source.readyState === EventSource.CLOSED) {
      source = null;
      setTimeout(connect, 3000);
    }
  };
  source.addEventListener('part', (event) => receive(JSON.parse(event.data)));
}

function say(state, words) {
  if (live.dataset.state === state) return;
  live.dataset.state = state;
  live.textContent = words;
}

// A page that is not seen costs nothing.
document.addEventListener('visibilitychange', () => {
  if (document.hidden && source) {
    source.close();
    source = null;
  }
  connect();
});

// A decision may take a moment; a second press would only be refused.
document.addEventListener('submit', (event) => {
  for (const button of event.target.querySelectorAll('button')) button.disabled = true;
});
window.addEventListener('pageshow', () => {
  for (const button of document.querySelectorAll('button')) button.disabled = false;
});

tick();
toEnd();
setInterval(tick, 1000);
connect();
