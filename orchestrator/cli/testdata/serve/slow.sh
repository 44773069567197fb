# A trainer that reports some steps a second: to the end, or until it is stopped.
# It goes on where it was.
at="$ABLATE_CHECKPOINTS/step"
step=0
[ -f "$at" ] && read -r step <"$at"
steps=2000
[ "$1" = soon ] && steps=10
echo "{\"steps\": $steps, \"resume_step\": $step}" >>"$ABLATE_METRICS"
echo "process $$ begins <b>boldly</b>" >&2
while [ "$step" -le "$steps" ]; do
	figures="\"loss\": 0.$((999 - step % 900)), \"top1\": $((step % 90))"
	echo "{\"step\": $step, $figures, \"images_per_second\": 1234, \"phase\": \"train\"}" >>"$ABLATE_METRICS"
	step=$((step + 1))
	echo "$step" >"$at.new" && mv "$at.new" "$at"
	sleep 0.05
done
