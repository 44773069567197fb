package trainer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"ablate/trainer/op"
)

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// probe looks at the networks, and says why if there is something that is not
// finite: what the last update broke, no loss has shown.
func (r *run) probe(ctx context.Context) (diverged string, err error) {
	if why := r.brokenWeights(); why != "" {
		return why, nil
	}
	err = r.look(ctx)
	if bad := (notFiniteError{}); errors.As(err, &bad) {
		return fmt.Sprintf("in the probe at step %d, %v", r.done, bad), nil
	}
	return "", err
}

// whyDiverged says where the step that has just run stopped being finite, ""
// if it did not. Of the gradients only the first weight's is looked at, for the
// sake of speed: it is the last to be computed, and what goes wrong on the way
// to it shows in it. Other gradients that are not finite show in the next step.
func (r *run) whyDiverged(loss float64) string {
	what := ""
	switch {
	case !finite(loss):
		what = fmt.Sprintf("the loss became %v at step %d", loss, r.done)
	case !op.Finite(r.step.grads[0]):
		what = fmt.Sprintf("the gradient is not finite at step %d", r.done)
	default:
		return ""
	}
	if why := r.brokenWeights(); why != "" {
		return what + ": " + why
	}
	// The same step once more, with every op watched.
	culprit, err := r.step.graph.FirstNotFinite()
	if err != nil {
		return what
	}
	return fmt.Sprintf("%s: %v", what, notFiniteError{culprit})
}

// notFiniteError names the op that was the first to make a NaN or an infinity
// of finite values.
type notFiniteError struct{ op string }

func (e notFiniteError) Error() string {
	if e.op == "" {
		e.op = "a sum of gradients" // Gorgonia's, not one of ours
	}
	return "the first result that is not finite is that of " + e.op
}

// brokenWeights says what the update before this step broke, "" if all
// weights are finite. A gradient breaks the momentum of its weight, and
// spreads from there towards the input: the last such weight is where it began.
func (r *run) brokenWeights() string {
	weights := r.online.Trainable()
	for i := range slices.Backward(weights) {
		if !op.Finite(r.optimizer.momentum[i]) {
			return fmt.Sprintf("the gradient of step %d is not finite at %s", r.done-1, weights[i].Name)
		}
	}
	for _, w := range weights {
		if !op.Finite(w.Data) {
			return fmt.Sprintf("the update of step %d made %s not finite", r.done-1, w.Name)
		}
	}
	return ""
}
