-- PATCH one template a thread, over and over, each time with the entity tag of the last answer in If-Match.
-- There is one connection a thread, so that answers and requests take turns. Argument: file with a path a line
local path, etag
local count = 0

function init(args)
  local at = 0
  for line in io.lines(args[1]) do
    if at == number then path = line end
    at = at + 1
  end
end

function request()
  if etag == nil then
    return wrk.format("GET", path, {})
  end
  count = count + 1
  -- A text of its own each time: a change that changes nothing may cost nothing.
  local body = string.format('{"description": "changed %d %d"}', os.time(), count)
  return wrk.format("PATCH", path, { ["Content-Type"] = "application/json", ["If-Match"] = etag }, body)
end

function response(status, headers, body)
  etag = nil
  for name, value in pairs(headers) do
    if name:lower() == "etag" then etag = value end
  end
end

local threads = 0
function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

dofile(os.getenv("BENCHMARK_LUA") .. "/report.lua")
