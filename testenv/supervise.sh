# Owns one server on behalf of a test binary, and outlives that binary just long enough to clean up after it.
#
# Standard input carries one order a line: "start", the name of a signal for the server, or "files N" to let it make no
# file longer than N bytes ("unlimited": as long as it likes). An empty line on standard output says that it was done. The end of standard input comes with the end of the test binary, however that dies; then the
# server is stopped and the current directory, which is its own, removed.
# $1 is the signal that stops the server at once, the rest is the server's command line.
#
# Files for the other side to read: log (of the latest start), pid, and exited, which is there once the server has ended.
last=$1
shift
dir=$(pwd)

running() { [ -s pid ] && [ ! -e exited ]; }

while read -r order; do
	case $order in
	start)
		rm -f pid exited log # the log too, now: the server's shell opens it anew only when it gets to run, and until then the one before says "ready"
		{
			"$@" >log 2>&1 &
			echo $! >pid
			# Until it has been waited for, nobody else can be given its pid: a signal never hits a stranger.
			wait $!
			echo $? >exited
		} &
		until [ -s pid ]; do sleep 0.01; done
		;;
	# Ourselves we run as the server does, and so may do to it what whoever owns us may not.
	files\ *) running && prlimit --pid "$(cat pid)" --fsize="${order#files }:" ;;
	*) running && kill -s "$order" "$(cat pid)" ;;
	esac
	echo
done

if running; then
	kill -s CONT "$(cat pid)" # a paused server would not hear the next one
	kill -s "$last" "$(cat pid)"
fi
wait
cd / && rm -rf "$dir"
