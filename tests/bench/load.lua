-- Sends each prepared request once. A line of the file is: method, path, key, signature, body, separated by tabs.
local requests, sent = {}, 0

function init(args)
  for line in io.lines(args[1]) do
    local method, path, key, signature, body = line:match("^(%S+)\t(%S+)\t(%S+)\t(%S+)\t(.*)$")
    local headers = { ["Content-Type"] = "application/json", ["X-API-Key"] = key, ["X-Signature"] = signature }
    requests[#requests + 1] = wrk.format(method, path, headers, body ~= "" and body or nil)
  end
end

function request()
  sent = sent + 1
  if sent >= #requests then wrk.thread:stop() end
  return requests[math.min(sent, #requests)]
end
