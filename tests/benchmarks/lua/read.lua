-- GET in turn what the lines of a file name: a path, and an entity tag for If-None-Match where there is one.
-- Argument: file
local requests, at = {}, 0

function init(args)
  for line in io.lines(args[1]) do
    local path, tag = line:match("^(%S+)%s*(.*)$")
    requests[#requests + 1] = wrk.format("GET", path, tag ~= "" and { ["If-None-Match"] = tag } or {})
  end
  at = math.floor(#requests * number / 8)
end

function request()
  at = at % #requests + 1
  return requests[at]
end

local threads = 0
function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

dofile(os.getenv("BENCHMARK_LUA") .. "/report.lua")
