'use strict';

const list = document.getElementById('messages');
const toast = document.getElementById('toast');

const tell = (text) => {
  toast.textContent = text;
  setTimeout(() => { toast.textContent = ''; }, 4000);
};

const place = (fresh) => {
  const old = document.getElementById(fresh.id);
  const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  document.querySelectorAll('.at-first').forEach((node) => node.remove());
  if (old) old.replaceWith(fresh);
  else document.getElementById('end').before(fresh);
  if (isAtEnd || !old) list.scrollTop = list.scrollHeight;
};

const take = (page) => {
  const news = new DOMParser().parseFromString(page, 'text/html').getElementById('messages');
  if (news.dataset.life !== list.dataset.life) return location.reload();
  news.querySelectorAll('article').forEach(place);
  list.dataset.since = Math.max(news.dataset.since, list.dataset.since);
};

const pause = () => new Promise((done) => { setTimeout(done, 1000); });

const follow = async () => {
  for (;;) {
    try {
      const answer = await fetch(`${document.body.dataset.news}&since=${list.dataset.since}`);
      if (answer.ok) take(await answer.text());
      else await pause();
    } catch {
      await pause();
    }
  }
};

const send = async (form, fields) => {
  const answer = await fetch(form.action, {method: 'POST', body: fields, headers: {Accept: 'application/json'}});
  tell((await answer.json()).said);
};

document.addEventListener('submit', async (event) => {
  const {target: form, submitter} = event;
  if (form.method !== 'post') return;
  event.preventDefault();
  const fields = new URLSearchParams(new FormData(form));
  if (submitter.name) fields.set(submitter.name, submitter.value);
  form.reset();
  submitter.setAttribute('aria-busy', 'true');
  await send(form, fields).catch(() => tell('The imitated messenger does not answer.'));
  submitter.removeAttribute('aria-busy');
});

list.scrollTop = list.scrollHeight;
follow();
