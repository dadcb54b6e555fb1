'use strict';

const page = document.body.dataset;
const list = document.getElementById('messages');
const toast = document.getElementById('toast');
const address = (what, more = '') => `${page.base}${what}?language=${page.language}${more}`;
const tags = {bold: 'b', italic: 'i', code: 'code', pre: 'pre', underline: 'u', strikethrough: 's', text_link: 'a'};

const send = (what, fields) => fetch(address(what), {method: 'POST', body: new URLSearchParams(fields)});

const dress = (text, entity) => {
  const node = document.createElement(tags[entity.type] || 'span');
  node.textContent = text;
  if (entity.url && /^https?:/.test(entity.url)) node.href = entity.url;
  return node;
};

const write = (bubble, text, entities) => {
  let at = 0;
  for (const one of entities) {
    if (one.offset < at) continue;
    bubble.append(text.slice(at, one.offset), dress(text.slice(one.offset, one.offset + one.length), one));
    at = one.offset + one.length;
  }
  bubble.append(text.slice(at));
};

const tell = (text) => {
  toast.textContent = text;
  setTimeout(() => { toast.textContent = ''; }, 4000);
};

const press = async (message, data) => {
  const answer = await send('/press', {message, data});
  tell((await answer.json()).said || '');
};

const control = (message, button) => {
  const node = document.createElement(button.url ? 'a' : 'button');
  node.textContent = button.url ? `${button.text} ↗` : button.text;
  if (button.url) Object.assign(node, {href: button.url, target: '_blank', rel: 'noopener'});
  else node.addEventListener('click', () => press(message.message_id, button.callback_data));
  return node;
};

const show = (message, botId) => {
  const whole = document.createElement('article');
  whole.id = `m${message.message_id}`;
  whole.className = message.from.id === botId ? 'message' : 'message mine';
  const bubble = document.createElement('div');
  bubble.className = 'bubble';
  write(bubble, message.text, message.entities || []);
  const time = document.createElement('small');
  time.textContent = new Date(message.date * 1000).toISOString().slice(11, 16) + (message.edit_date ? ' edited' : '');
  bubble.append(time);
  whole.append(bubble);
  for (const row of (message.reply_markup || {}).inline_keyboard || []) {
    const line = document.createElement('div');
    line.className = 'row';
    line.append(...row.map((button) => control(message, button)));
    whole.append(line);
  }
  place(whole);
};

const place = (whole) => {
  const old = document.getElementById(whole.id);
  if (old) return old.replaceWith(whole);
  list.append(whole);
  list.scrollTop = list.scrollHeight;
};

const follow = async () => {
  let since = 0;
  for (;;) {
    try {
      const news = await (await fetch(address('/messages', `&since=${since}`))).json();
      since = news.since;
      news.messages.forEach((message) => show(message, news.bot_id));
    } catch {
      await new Promise((done) => { setTimeout(done, 1000); });
    }
  }
};

document.getElementById('say').addEventListener('submit', (event) => {
  event.preventDefault();
  const field = document.getElementById('text');
  send('/say', {text: field.value});
  field.value = '';
});
document.querySelectorAll('[data-say]').forEach((button) => {
  button.addEventListener('click', () => send('/say', {text: button.dataset.say}));
});
if (page.payload) send('/say', {text: `/start ${page.payload}`});
follow();
