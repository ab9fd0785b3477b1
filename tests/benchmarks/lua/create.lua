-- POST templates, each under a new name.
-- Arguments: path, file with the JSON body in which @NAME@ stands for the name, prefix of the names
local path, body, prefix
local count = 0

function init(args)
  path, prefix = args[1], args[3]
  local file = assert(io.open(args[2]))
  body = file:read("*a")
  file:close()
end

function request()
  count = count + 1
  local name = string.format("%s-%d-%06d", prefix, number, count)
  local sent = body:gsub("@NAME@", name)
  return wrk.format("POST", path, { ["Content-Type"] = "application/json" }, sent)
end

local threads = 0
function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

dofile(os.getenv("BENCHMARK_LUA") .. "/report.lua")
