const crypto = require('node:crypto');

// HUB, KEY and SECRET come from the environment: never from a page, an app or a repository.
const { HUB, KEY, SECRET } = process.env;

async function main() {
  const body = JSON.stringify({ order_id: 'ORDER_12345', amount: '50.00' });
  const response = await fetch(`${HUB}/api/create-payment.php`, {
    method: 'POST',
    body,
    headers: {
      'Content-Type': 'application/json',
      'X-API-Key': KEY,
      'X-Signature': crypto.createHmac('sha256', SECRET).update(body).digest('hex'),
    },
  });
  const answer = await response.json();
  if (!answer.ok) throw new Error(answer.error); // always check ok first
  console.log(JSON.stringify(answer));
}

main().catch((error) => { console.error(error.message); process.exit(1); });
