<?php
// HUB, KEY and SECRET come from the environment: never from a page, an app or a repository.
$body = json_encode(['order_id' => 'ORDER_12345', 'amount' => '50.00']);
$headers = [
    'Content-Type: application/json',
    'X-API-Key: ' . getenv('KEY'),
    'X-Signature: ' . hash_hmac('sha256', $body, getenv('SECRET')),
];
$context = stream_context_create(['http' => [
    'method' => 'POST', 'header' => $headers, 'content' => $body, 'ignore_errors' => true, 'timeout' => 10,
]]);
$answer = json_decode(file_get_contents(getenv('HUB') . '/api/create-payment.php', false, $context), true);
if (!$answer['ok']) { // always check ok first
    fwrite(STDERR, $answer['error'] . "\n");
    exit(1);
}
echo json_encode($answer, JSON_UNESCAPED_SLASHES), "\n";
