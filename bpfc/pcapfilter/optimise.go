package pcapfilter

func optimise(vs *values, gr *graph, root *block) *block { return root }
