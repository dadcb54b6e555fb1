const crypto = require('node:crypto');

// HUB, KEY and SECRET come from the environment: never from a page, an app or a repository.
const { HUB, KEY, SECRET } = process.env;

async function call(method, target, fields) {
  const body = fields === undefined ? '' : JSON.stringify(fields);
  const time = String(Math.floor(Date.now() / 1000));
  const nonce = crypto.randomBytes(16).toString('hex');
  const text = `v1\n${time}\n${nonce}\n${method}\n${target}\n${body}`;
  const headers = {
    'X-API-Key': KEY,
    'X-Timestamp': time,
    'X-Nonce': nonce,
    'X-Signature': 'v1=' + crypto.createHmac('sha512', SECRET).update(text).digest('hex'),
  };
  if (body) headers['Content-Type'] = 'application/json';
  const response = await fetch(HUB + target, { method, headers, body: body || undefined });
  const answer = await response.json();
  if (!answer.ok) throw new Error(`${answer.error} (${answer.code})`); // always check ok first
  return answer;
}

async function main() {
  console.log(JSON.stringify(await call('POST', '/api/v1/payments', { order_id: 'ORDER_12345', amount: '50.00' })));
  console.log(JSON.stringify(await call('GET', '/api/v1/payments?limit=10')));
}

main().catch((error) => { console.error(error.message); process.exit(1); });
