-- PUT claims of ever new workers on templates in turn; each connection has templates of its own.
-- Arguments: file with a path a line, prefix of the workers' ids
local paths, prefix = {}, nil
local count = 0

function init(args)
  local at = 0
  for line in io.lines(args[1]) do
    if at % 8 == number then paths[#paths + 1] = line end
    at = at + 1
  end
  prefix = args[2]
end

function request()
  count = count + 1
  local path = string.format("%s/claims/%s-%d-%d", paths[count % #paths + 1], prefix, number, count)
  return wrk.format("PUT", path, { ["Content-Type"] = "application/json" }, '{"ttl_seconds": 300}')
end

local threads = 0
function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

dofile(os.getenv("BENCHMARK_LUA") .. "/report.lua")
