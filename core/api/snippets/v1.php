<?php
// HUB, KEY and SECRET come from the environment: never from a page, an app or a repository.
function call(string $method, string $target, ?array $fields = null): array
{
    $body = $fields === null ? '' : json_encode($fields);
    $time = (string) time();
    $nonce = bin2hex(random_bytes(16));
    $text = "v1\n$time\n$nonce\n$method\n$target\n$body";
    $headers = [
        'X-API-Key: ' . getenv('KEY'),
        "X-Timestamp: $time",
        "X-Nonce: $nonce",
        'X-Signature: v1=' . hash_hmac('sha512', $text, getenv('SECRET')),
    ];
    if ($body !== '') {
        $headers[] = 'Content-Type: application/json';
    }
    $context = stream_context_create(['http' => [
        'method' => $method, 'header' => $headers, 'content' => $body, 'ignore_errors' => true, 'timeout' => 10,
    ]]);
    $answer = json_decode(file_get_contents(getenv('HUB') . $target, false, $context), true);
    if (!$answer['ok']) { // always check ok first
        throw new RuntimeException("{$answer['error']} ({$answer['code']})");
    }
    return $answer;
}

$created = call('POST', '/api/v1/payments', ['order_id' => 'ORDER_12345', 'amount' => '50.00']);
echo json_encode($created, JSON_UNESCAPED_SLASHES), "\n";
echo json_encode(call('GET', '/api/v1/payments?limit=10'), JSON_UNESCAPED_SLASHES), "\n";
