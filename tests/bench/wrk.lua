-- wrk's part of tests.bench.load: every request is a body of its own, made from a template.
-- Arguments: the file of templates, what makes this run's bodies unique. Variable: BENCH_KEY.

local templates, head, run, count = {}, "", "", 0

local function split(line)
  local parts = {}
  for part in (line .. "~"):gmatch("([^~]*)~") do
    parts[#parts + 1] = part
  end
  return parts
end

function init(args)
  for line in io.lines(args[1]) do
    templates[#templates + 1] = split(line)
  end
  run = args[2]
  head = "POST " .. wrk.path .. " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port
    .. "\r\nX-API-Key: " .. os.getenv("BENCH_KEY")
    .. "\r\nContent-Type: application/json\r\nContent-Length: "
end

function request()
  count = count + 1
  local body = table.concat(templates[count % #templates + 1], run .. count)
  return head .. #body .. "\r\n\r\n" .. body
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format(
    '\n{"requests": %d, "seconds": %f, "refused": %d, "broken": %d, '
      .. '"p50_ms": %f, "p99_ms": %f, "max_ms": %f}\n',
    summary.requests, summary.duration / 1e6, errors.status, failed,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
