-- PUT the claim of one worker on one template a connection, over and over: the first makes it, the others renew it.
-- Arguments: file with a path a line, prefix of the workers' ids
local path

function init(args)
  local at = 0
  for line in io.lines(args[1]) do
    if at == number then path = line end
    at = at + 1
  end
  path = string.format("%s/claims/%s-%d", path, args[2], number)
end

function request()
  return wrk.format("PUT", path, { ["Content-Type"] = "application/json" }, '{"ttl_seconds": 300}')
end

local threads = 0
function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

dofile(os.getenv("BENCHMARK_LUA") .. "/report.lua")
