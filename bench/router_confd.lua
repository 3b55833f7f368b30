-- Routing questions for wrk: a random trunk calls a random number of its tenant.
-- Arguments: tenants, trunks and DIDs per tenant, mean pause per connection in ms (0: none).
local tenants, trunks, dids, pause

function init(args)
  tenants, trunks, dids, pause =
    tonumber(args[1]), tonumber(args[2]), tonumber(args[3]), tonumber(args[4])
  math.randomseed(os.time())
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  if pause > 0 then
    delay = function() return math.floor(-pause * math.log(1 - math.random()) + 0.5) end
  end
end

function request()
  local t, k = math.random(1, tenants), math.random(1, trunks)
  local number = string.format("%d", 39000000000 + t * 1000000 + math.random(0, dids - 1))
  local source = string.format("10.%d.%d.%d", 100 + k, math.floor(t / 250), t % 250)
  return wrk.format(nil, nil, nil, string.format(
    '{"event":"sip-routing","auth":true,"source_ip":"%s","source_port":5060,'
    .. '"call_id":"%d-%s@bench","domain":"carrier.example.com",'
    .. '"from_uri":"sip:100@carrier.example.com","from_name":"Bob","from_tag":"a1",'
    .. '"to_uri":"sip:+%s@203.0.113.1","request_uri":"sip:+%s@203.0.113.1"}',
    source, t, number, number, number))
end

wrong = 0

function response(status, headers, body)
  if status ~= 200 then wrong = wrong + 1 end
end

local threads = {}
function setup(thread) table.insert(threads, thread) end

function done(summary, latency, requests)
  local sum = 0
  for _, thread in ipairs(threads) do sum = sum + thread:get("wrong") end
  io.write(string.format("wrong=%d\n", sum))
end
