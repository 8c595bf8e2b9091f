-- Requests for wrk: what (list, job, create), how (graphql, rest) and, to look at every answer, `checked` come
-- after `--`. Each request has variables of its own.
local STATUSES = { "PENDING", "QUEUED", "COMPLETED", "FAILED" }
local PRIORITIES = { "HIGH", "MEDIUM", "LOW" }
local JOBS = 10000
local FIELDS = "id taskName payload priority status createdAt updatedAt"
local DOCUMENTS = {
  list = "query($s: [JobStatus!], $p: [JobPriority!], $n: Int) { jobs(status: $s, priority: $p, first: $n) "
    .. "{ nodes { " .. FIELDS .. " } pageInfo { hasNextPage endCursor } } }",
  job = "query($id: ID!) { job(id: $id) { " .. FIELDS .. " } }",
  create = "mutation($input: CreateJobInput!) { createJob(input: $input) { created job { " .. FIELDS .. " } } }",
}
local kind, style, headers, count = nil, nil, { ["Content-Type"] = "application/json" }, 0

function init(args)
  kind, style = args[1], args[2]
  math.randomseed(os.time())
  if args[3] == "checked" then
    local expected = kind == "list" and 50 or 1
    response = function(status, _, body)
      local _, jobs = body:gsub('"taskName"', "")
      if status >= 300 or jobs ~= expected or body:find('"errors"', 1, true) then
        io.stderr:write(status, " ", body, "\n")
        os.exit(1)
      end
    end
  end
end

local function variables()
  count = count + 1
  local status, priority = STATUSES[math.random(#STATUSES)], PRIORITIES[math.random(#PRIORITIES)]
  if kind == "list" then return { status = status, priority = priority } end
  if kind == "job" then return { id = math.random(JOBS) } end
  return { text = string.format('{"taskName":"simulate","priority":"%s","payload":{"email":"user%d@example.com","n":%d}}',
    priority, count, math.random(1000000)) }
end

local function graphql(given)
  local values
  if kind == "list" then
    values = string.format('{"s":["%s"],"p":["%s"],"n":50}', given.status, given.priority)
  elseif kind == "job" then
    values = string.format('{"id":"%d"}', given.id)
  else
    values = '{"input":' .. given.text .. '}'
  end
  local body = '{"query":"' .. DOCUMENTS[kind] .. '","variables":' .. values .. '}'
  return wrk.format("POST", "/graphql", headers, body)
end

local function rest(given)
  if kind == "list" then
    return wrk.format("GET", "/jobs?status=" .. given.status .. "&priority=" .. given.priority .. "&first=50")
  elseif kind == "job" then
    return wrk.format("GET", "/jobs/" .. given.id)
  end
  return wrk.format("POST", "/jobs", headers, given.text)
end

function request()
  local given = variables()
  return style == "rest" and rest(given) or graphql(given)
end
