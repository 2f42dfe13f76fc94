# Serves the routes of a JSON file with the routes of Rails, and says in X-Served
# which one it took a request for. Each has the optional format at its end that
# Rails gives it, and names are without dots.
require "action_controller"
require "json"
require "puma"
require "puma/server"

# A name with text around it is a parameter that a constraint bounds.
def translated(pattern)
  constraints = {}
  segments = pattern.split("/", -1).each_with_index.map do |segment, i|
    next "*rest" if segment == "*"
    next segment unless segment.include?("{")
    constraints[:"p#{i}"] = Regexp.new(segment.split(/(\{\w+\})/).map { |part| part.start_with?("{") ? "[^/.?]+" : Regexp.escape(part) }.join)
    ":p#{i}"
  end
  [segments.join("/"), constraints]
end

set = ActionDispatch::Routing::RouteSet.new
set.draw do
  JSON.parse(File.read(ARGV[0])).each do |r|
    answer = lambda do |env|
      view = "#{env["REQUEST_METHOD"]} #{env["REQUEST_URI"]}: path #{env["PATH_INFO"]}, #{env["action_dispatch.request.path_parameters"]}".inspect
      [200, {"x-served" => r["name"], "content-type" => "text/plain", "content-length" => view.bytesize.to_s}, [view]]
    end
    path, constraints = translated(r["pattern"])
    match path, to: answer, via: r["method"].downcase.to_sym, constraints: constraints
  end
end

# As in every Rails application: HEAD is GET, and a parameter may override POST.
app = Rack::Builder.new do
  use Rack::MethodOverride
  use Rack::Head
  run set
end
server = Puma::Server.new(app.to_app)
puts server.add_tcp_listener("127.0.0.1", 0).addr[1]
$stdout.flush
server.run.join
