import { createHash } from "node:crypto";

/** A script and the SHA-1 by which Redis knows it after its first use. */
export interface RedisScript {
  readonly text: string;
  readonly sha1: string;
}

function script(text: string): RedisScript {
  return { text, sha1: createHash("sha1").update(text).digest("hex") };
}

/**
 * The server that runs the script. `master_replid` changes with every restart and every promotion, which a connection does not notice, so
 * each script reads it together with its work.
 */
const IDENTITY = `
local info = redis.call('INFO', 'replication')
local is_primary = string.find(info, 'role:master', 1, true) ~= nil
local id = string.match(info, 'master_replid:(%w+)') or ''
`;

/**
 * KEYS: the buckets of the items; for each of them the hash of the provider's entries; and the hashes of its entries in other buckets, which
 * count against its quota. ARGV: the record's store; the provider; its quota; the number of buckets; items of 93 bytes, each the index of
 * its bucket (from 0), field (36) and value (56). Returns one byte for each item, the verdict as on the wire, or `q` for a refusal by the
 * quota; or 0 when this is not the record's store. A bucket names the providers that have entries: if the hash of one is gone, entries were
 * lost, and the bucket counts as missing. At the quota, recorded entries are still compared.
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
 * KEYS: buckets. ARGV: the record's store, or '' for a new epoch; the life of each bucket in ms. Makes all of them and returns the store, or
 * makes none and returns 0.
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

/** For one bucket: whether it exists with all the entries that it names, and the count of each provider. */
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

/** KEYS: buckets. Returns role, store, eviction policy, and for each bucket '1' if it exists with all its entries. */
export const LOOK = script(`${IDENTITY}${COUNTS}
local policy = string.match(redis.call('INFO', 'memory'), 'maxmemory_policy:([%w-]+)') or ''
local present = {}
for i, key in ipairs(KEYS) do present[i] = counts_of(key) and '1' or '0' end
return {is_primary and 'primary' or 'replica', id, policy, table.concat(present)}
`);

/** KEYS: buckets. Returns the memory used and allowed, and for each provider its name and the count of its entries. */
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
