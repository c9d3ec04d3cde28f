package httpapi

import "github.com/tenure-dev/tenure/lifecycle"

// What problems say beside what the relationship and its fields say for themselves. Where the type of a problem says all there is to say, it needs no sentence.
var (
	sweepOver     = lifecycle.NewSentence("sweepOver", "Sweep {sweep} is {state}, so there was nothing to cancel.")
	bulkJobOver   = lifecycle.NewSentence("bulkJobOver", "Bulk job {job} is {jobState}, so there was nothing to cancel.")
	tooManyToPlan = lifecycle.NewSentence("tooManyToPlan",
		"There are more relationships than can be looked at while a request waits. Ask for those of one partner, or for a nearer time; or run `tenure plan` or `tenure forecast`.")

	askedTooOften   = lifecycle.NewSentence("askedTooOften", "This caller may ask {rate} times a second, and {burst} times at once after a pause; wait {wait}.")
	exportsUnderWay = lifecycle.NewSentence("exportsUnderWay", "{n} exports are under way already; wait for one of them.")

	needsScope          = lifecycle.NewSentence("needsScope", `This needs the scope "{scope}", and the token "{name}" has {scopes}.`)
	addressNeedsScope   = lifecycle.NewSentence("addressNeedsScope", `To search by address needs the scope "{scope}".`)
	consoleForOperators = lifecycle.NewSentence("consoleForOperators",
		`The console is for operators, and "{name}" has the role {role} in a tenant. Ask the API, which answers them.`)
	issuerNamesNoOperator = lifecycle.NewSentence("issuerNamesNoOperator",
		"The console is for operators, and the issuer does not say that you are one: ask whoever manages it for a role in the claim {claim}.")
	issuerGivesNoScope = lifecycle.NewSentence("issuerGivesNoScope", `The console needs the scope "{scope}", and the issuer's word gives you {scopes}.`)

	noBearerToken = lifecycle.NewSentence("noBearerToken", "The Authorization header does not hold one bearer token, which looks like {prefix} and 43 characters.")
	noSuchToken   = lifecycle.NewSentence("noSuchToken", "The token is not known, or not any more.")
	tokenNotGood  = lifecycle.NewSentence("tokenNotGood", "{why}.")
	otherSignIn   = lifecycle.NewSentence("otherSignIn", "This is not the end of a sign-in that began in this browser, or it took too long; sign in again.")
	issuerRefused = lifecycle.NewSentence("issuerRefused", "The issuer has not let you in: {why}. Sign in again.")

	issuerKnowsNoMore = lifecycle.NewSentence("issuerKnowsNoMore", "The issuer does not know you any more: {why}. Sign in again.")
	signInsTooOften   = lifecycle.NewSentence("signInsTooOften", "Too many have tried to sign in from your address; wait {wait} and try again.")
	noIssuer          = lifecycle.NewSentence("noIssuer", "Nobody signs in at an issuer here; show a token.")
)

// While there is no token.
const letIn = " `tenure token create NAME --scope SCOPE` makes a token, and with it requests are answered from everywhere."

var (
	onlyThisMachine = lifecycle.NewSentence("onlyThisMachine", "While there is no token, only this machine itself is answered."+letIn)
	noProxy         = lifecycle.NewSentence("noProxy", "While there is no token, nothing is answered through a proxy (the request has a {header} header)."+letIn)
	onlyLocalHost   = lifecycle.NewSentence("onlyLocalHost", "While there is no token, the host must be localhost or a loopback address, not {host}."+letIn)
	noOtherOrigin   = lifecycle.NewSentence("noOtherOrigin", "While there is no token, nothing is shown to web pages of another origin."+letIn)
)

// Why something was not done to a notice.
var (
	noSuchNotice = lifecycle.NewSentence("noSuchNotice", "there is no such notice")
	noticeErased = lifecycle.NewSentence("noticeErased", "its recipient's name and address have been erased, so it cannot be sent any more")
	stillNobody  = lifecycle.NewSentence("stillNobody", "there is still nobody to tell; add a contact of its tenant and role")
	beingSent    = lifecycle.NewSentence("beingSent", "it is being sent just now; look at it again in a minute")
)

// What is wrong with a value.
var (
	noPlace         = lifecycle.NewSentence("noPlace", "is not a place in the list; take it from next")
	noNoticeID      = lifecycle.NewSentence("noNoticeID", "is not the id of a notice; it looks like 1042-7-1")
	customerMissing = lifecycle.NewSentence("customerMissing", "is missing: the request names no customer, so say for whom it is approved")
	longerThan      = lifecycle.NewSentence("longerThan", "has more than {most} characters")
	reasonEmpty     = lifecycle.NewSentence("reasonEmpty", "is empty; say why")
	reasonTooLong   = lifecycle.NewSentence("textTooLong", "has {n} characters; at most {most} are allowed")
	holdsControl    = lifecycle.NewSentence("holdsControl", "contains a control character; take it out")
)
