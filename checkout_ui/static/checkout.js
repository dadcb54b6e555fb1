'use strict';

// Keeps the payment page live: counts down, asks for the status, copies, leads back to the shop.
// What is shown was written by the server; when the payment's state changes, the page is loaded anew.

const MAX_PAUSE_MS = 30000;
const COPIED_MS = 2500;
const SPOKEN_SECONDS = [600, 300, 60];
const SPOKEN_BLOCKS = 5;

const page = document.getElementById('page');
const query = new URLSearchParams(location.search);
const key = new URLSearchParams({ id: query.get('id') || '', t: query.get('t') || '' });
let pollTimer = 0;
let failures = 0;
let deadline = 0;

function announce(text) {
  document.getElementById('live').textContent = text;
}

function reload() {
  location.replace('./?' + key);
}

function clockText(seconds) {
  const pad = (number) => String(number).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return (hours ? hours + ':' + pad(minutes) : String(minutes)) + ':' + pad(seconds % 60);
}

function setDeadline(seconds) {
  deadline = performance.now() + seconds * 1000;
}

function tick() {
  const shown = document.getElementById('countdown');
  const seconds = Math.max(0, Math.ceil((deadline - performance.now()) / 1000));
  const text = clockText(seconds);
  if (shown.textContent === text) return;
  shown.textContent = text;
  shown.classList.toggle('soon', seconds < 120);
  if (SPOKEN_SECONDS.includes(seconds)) announce(seconds / 60 + (seconds > 60 ? ' minutes left' : ' minute left'));
  if (seconds === 0) poll();
}

function startCountdown() {
  const shown = document.getElementById('countdown');
  if (!shown) return;
  setDeadline(Number(shown.dataset.seconds));
  setInterval(tick, 250);
}

function showProgress(answer) {
  const bar = document.getElementById('progress');
  if (!bar || answer.confirmations === null || bar.value === answer.confirmations) return;
  bar.value = answer.confirmations;
  document.getElementById('progress-text').textContent = answer.progress_text;
  if (answer.confirmations % SPOKEN_BLOCKS === 0) announce(answer.progress_text);
}

function take(answer) {
  const isSame = answer.state === page.dataset.state && String(answer.version) === page.dataset.version
    && answer.named === page.dataset.named;
  if (!isSame) {
    reload();
    return;
  }
  showProgress(answer);
  if (answer.seconds_left !== null) setDeadline(answer.seconds_left);
  pollLater(answer.poll_ms);
}

function pollLater(pause) {
  clearTimeout(pollTimer);
  if (pause && !document.hidden) pollTimer = setTimeout(poll, pause);
}

async function poll() {
  clearTimeout(pollTimer);
  try {
    const answer = await fetch('status?' + key, { cache: 'no-store', redirect: 'error' });
    if (!answer.ok) throw new Error(String(answer.status));
    take(await answer.json());
    failures = 0;
  } catch {
    failures += 1;
    pollLater(Math.min(MAX_PAUSE_MS, Number(page.dataset.pollMs) * 2 ** failures));
  }
}

function startPolling() {
  const pause = Number(page.dataset.pollMs);
  if (!pause) return;
  pollLater(pause);
  document.addEventListener('visibilitychange', () => (document.hidden ? clearTimeout(pollTimer) : poll()));
}

function selectBeside(button) {
  const range = document.createRange();
  range.selectNodeContents(button.parentElement.querySelector('.exact, .address'));
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    selectBeside(button); // plain http has no clipboard for scripts: what is selected can still be copied
    if (!document.execCommand('copy')) return;
  }
  const word = button.querySelector('.word');
  word.textContent = 'Copied';
  button.classList.add('copied');
  announce(button.dataset.copied);
  setTimeout(() => { word.textContent = 'Copy'; button.classList.remove('copied'); }, COPIED_MS);
}

function startCopying() {
  for (const button of document.querySelectorAll('.copy')) {
    button.hidden = false;
    button.addEventListener('click', () => copy(button));
  }
}

function startLeaving() {
  const exit = document.getElementById('exit');
  const leaving = document.getElementById('leaving');
  const [entry] = performance.getEntriesByType('navigation');
  if (!leaving || (entry && entry.type === 'back_forward')) return; // who comes back wants to read
  leaving.hidden = false;
  const timer = setTimeout(() => location.assign(exit.href), Number(exit.dataset.afterS) * 1000);
  document.getElementById('stay').addEventListener('click', () => {
    clearTimeout(timer);
    leaving.hidden = true;
    announce('You stay on this page.');
    exit.focus();
  });
}

function startForms() {
  for (const form of document.forms) {
    form.addEventListener('submit', (event) => {
      if (form.dataset.sent) event.preventDefault(); // a second tap must not pay twice
      form.dataset.sent = 'yes';
      form.classList.add('sent');
    });
  }
}

function speakState() {
  const leaving = document.querySelector('#leaving span');
  const words = document.getElementById('headline').textContent;
  const text = leaving ? words + '. ' + leaving.textContent : words;
  setTimeout(() => { if (!document.getElementById('live').textContent) announce(text); }, 200); // once it is live
}

addEventListener('pageshow', (event) => { if (event.persisted) reload(); });
startCountdown();
startPolling();
startCopying();
startLeaving();
startForms();
speakState();
