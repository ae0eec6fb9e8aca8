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
 * KEYS: buckets. ARGV: the record's store; items of 93 bytes, each the number of its bucket (from 0), field (36) and value
 * (56). Answers one byte for each item, as verdicts stand on the wire, or 0 when this is not the record's store.
 */
export const ADMIT = script(`${IDENTITY}
if not is_primary or id ~= ARGV[1] then return 0 end
local made, out, packed = {}, {}, ARGV[2]
for i, key in ipairs(KEYS) do made[i] = redis.call('HEXISTS', key, '~') == 1 end
for at = 1, #packed, 93 do
  local i = string.byte(packed, at) + 1
  local verdict = 'x'
  if made[i] then
    local field = string.sub(packed, at + 1, at + 36)
    local value = string.sub(packed, at + 37, at + 92)
    verdict = 'f'
    if redis.call('HSETNX', KEYS[i], field, value) == 0 then
      local recorded = redis.call('HGET', KEYS[i], field)
      if recorded ~= value then
        verdict = string.sub(recorded, 1, 40) == string.sub(value, 1, 40) and 'r' or 'u'
      end
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

/** KEYS: buckets. Answers role, store, the policy of eviction, and for each bucket '1' where it is there. */
export const LOOK = script(`${IDENTITY}
local policy = string.match(redis.call('INFO', 'memory'), 'maxmemory_policy:([%w-]+)') or ''
local present = {}
for i, key in ipairs(KEYS) do present[i] = redis.call('HEXISTS', key, '~') end
return {is_primary and 'primary' or 'replica', id, policy, table.concat(present)}
`);

/** KEYS: buckets. Answers how many entries they have together, and the memory used and allowed. */
export const MEASURE = script(`
local entries = 0
for i, key in ipairs(KEYS) do
  local fields = redis.call('HLEN', key)
  if fields > 0 then entries = entries + fields - 1 end
end
local info = redis.call('INFO', 'memory')
local used = string.match(info, 'used_memory:(%d+)') or '0'
local max = string.match(info, 'maxmemory:(%d+)') or '0'
return {tostring(entries), used, max}
`);
