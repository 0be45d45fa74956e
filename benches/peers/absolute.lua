-- Makes wrk speak to a proxy: one fixed request in absolute form, and the totals as one JSON line at the end.
-- Arguments after "--": the absolute URL, the Host field. Without them wrk's own origin-form request stays.

function init(args)
   if args[1] then
      wrk.path = args[1]
      wrk.headers["Host"] = args[2]
   end
end

function done(summary, latency, requests)
   local e = summary.errors
   io.write(string.format(
      'totals {"requests": %d, "bytes": %d, "micros": %d, "p50_us": %d, "p99_us": %d, ' ..
      '"bad_status": %d, "connect": %d, "read": %d, "write": %d, "timeout": %d}\n',
      summary.requests, summary.bytes, summary.duration,
      latency:percentile(50), latency:percentile(99),
      e.status, e.connect, e.read, e.write, e.timeout))
end
