import { createHash } from "node:crypto";

/** A script as Redis knows it: by the SHA-1 of its text, once it has seen it. */
export interface RedisScript {
  readonly text: string;
  readonly sha1: string;
}

function script(text: string): RedisScript {
  return { text, sha1: createHash("sha1").update(text).digest("hex") };
}

/**
 * Which server runs the script. `master_replid` is another one after every restart and every promotion, and connections
 * notice neither: so each script reads it in the turn in which it acts.
 */
const IDENTITY = `
local info = redis.call('INFO', 'replication')
local is_primary = string.find(info, 'role:master', 1, true) ~= nil
local id = string.match(info, 'master_replid:(%w+)') or ''
`;

/**
 * KEYS: the buckets that the items lie in, as many hashes of the provider's entries in them, and hashes of its entries in other
 * buckets that count against its quota. ARGV: the record's store; the provider; its quota; how many buckets the items lie in; items of
 * 93 bytes, each the number of its bucket (from 0), field (36) and value (56). Answers one byte for each item, as verdicts stand on the
 * wire, and `q` for one that is refused by the quota; or 0 when this is not the record's store. A bucket names the providers that have
 * entries: where their hash is gone, something was forgotten, and the bucket is as good as gone. What is recorded is compared with at
 * the quota, too.
 */
export const ADMIT = script(`${IDENTITY}
if not is_primary or id ~= ARGV[1] then return 0 end
local provider, quota, buckets, packed = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local total, named, made, out = 0, {}, {}, {}
for i = 1, buckets do
  local found = redis.call('HMGET', KEYS[i], '~', provider)
  local count = redis.call('HLEN', KEYS[buckets + i])
  named[i] = found[2]
  made[i] = found[1] and (count > 0 or not found[2])
  total = total + count
end
for i = 2 * buckets + 1, #KEYS do total = total + redis.call('HLEN', KEYS[i]) end
for at = 1, #packed, 93 do
  local i = string.byte(packed, at) + 1
  local verdict = 'x'
  if made[i] then
    local entries = KEYS[buckets + i]
    local field = string.sub(packed, at + 1, at + 36)
    local value = string.sub(packed, at + 37, at + 92)
    local is_first = total < quota and not named[i]
    if is_first then
      redis.call('HSET', KEYS[i], provider, '1')
      named[i] = true
    end
    if total < quota and redis.call('HSETNX', entries, field, value) == 1 then
      if is_first then redis.call('PEXPIRE', entries, math.max(redis.call('PTTL', KEYS[i]), 1)) end
      verdict, total = 'f', total + 1
    else
      local recorded = redis.call('HGET', entries, field)
      if not recorded then verdict = 'q'
      elseif recorded == value then verdict = 'f'
      elseif string.sub(recorded, 1, 40) == string.sub(value, 1, 40) then verdict = 'r'
      else verdict = 'u' end
    end
  end
  out[#out + 1] = verdict
end
return table.concat(out)
`);

/**
 * KEYS: buckets. ARGV: the record's store, or '' for an epoch that is new; the life of each bucket in ms. Makes all of them
 * and answers which store this is, or makes none and answers 0.
 */
export const MAKE = script(`${IDENTITY}
if not is_primary or (ARGV[1] ~= '' and id ~= ARGV[1]) then return 0 end
if redis.call('EXISTS', unpack(KEYS)) > 0 then return 0 end
for i, key in ipairs(KEYS) do
  redis.call('HSET', key, '~', '1')
  redis.call('PEXPIRE', key, ARGV[i + 1])
end
return id
`);

/** Of one bucket: whether it is there with all the entries that it names, and how many of them each provider has. */
const COUNTS = `
local function counts_of(key)
  local counts, is_whole = {}, false
  local prefix, minute = string.match(key, '^(.*:)(%d+)$')
  for _, name in ipairs(redis.call('HKEYS', key)) do
    if name == '~' then is_whole = true else counts[name] = redis.call('HLEN', prefix .. name .. ':' .. minute) end
  end
  for _, count in pairs(counts) do if count == 0 then is_whole = false end end
  return is_whole, counts
end
`;

/** KEYS: buckets. Answers role, store, the policy of eviction, and for each bucket '1' where it is there with all its entries. */
export const LOOK = script(`${IDENTITY}${COUNTS}
local policy = string.match(redis.call('INFO', 'memory'), 'maxmemory_policy:([%w-]+)') or ''
local present = {}
for i, key in ipairs(KEYS) do present[i] = counts_of(key) and '1' or '0' end
return {is_primary and 'primary' or 'replica', id, policy, table.concat(present)}
`);

/** KEYS: buckets. Answers the memory used and allowed, and of each provider its name and how many entries it has in them. */
export const MEASURE = script(`${COUNTS}
local entries = {}
for _, key in ipairs(KEYS) do
  local _, counts = counts_of(key)
  for provider, count in pairs(counts) do entries[provider] = (entries[provider] or 0) + count end
end
local info = redis.call('INFO', 'memory')
local answer = {
  string.match(info, 'used_memory:(%d+)') or '0',
  string.match(info, 'maxmemory:(%d+)') or '0',
}
for provider, count in pairs(entries) do
  answer[#answer + 1] = provider
  answer[#answer + 1] = tostring(count)
end
return answer
`);
