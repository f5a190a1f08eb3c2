package console

import (
	"errors"
	"net/http"

	"nrd/collector/access"
	"nrd/collector/store"
)

// cookie holds the session's token. The __Host- prefix makes the browser refuse
// it unless it is Secure and for this host alone.
const cookie = "__Host-session"

// visitor is who is signed in and looks at a page.
type visitor struct {
	store.Account
	token, from string
}

// May reports whether the visitor's role gives a right; the menu shows what it
// gives.
func (v *visitor) May(right access.Right) bool { return v != nil && access.May(v.Role, right) }

// RoleTitle gives the role's name for people.
func (v *visitor) RoleTitle() string {
	for _, r := range access.Roles {
		if r.Name == v.Role {
			return r.Title
		}
	}
	return v.Role
}

func (v *visitor) by() access.By { return access.By{Account: v.Name, From: v.from} }

// authorise asks leave for an act of the visitor's and answers the request
// itself where there is none.
func (c *Console) authorise(w http.ResponseWriter, r *http.Request, who visitor, act access.Request) (store.Access, bool) {
	act.Account, act.From = who.Name, who.from
	line, err := c.Access.Authorise(r.Context(), act)
	if err != nil {
		c.fail(w, r, &who, err)
	}
	return line, err == nil
}

// needs refuses who has not the right, and logs it, before the form is read: so what
// is wrong with the form is told to nobody else. Who has it is judged again, and
// logged, by what is done.
func (c *Console) needs(right access.Right, next func(http.ResponseWriter, *http.Request, visitor)) func(http.ResponseWriter, *http.Request, visitor) {
	return func(w http.ResponseWriter, r *http.Request, who visitor) {
		if !who.May(right) {
			c.authorise(w, r, who, access.Request{Right: right, Action: string(right), Subject: r.URL.Path})
			return
		}
		next(w, r, who)
	}
}

// signedIn lets only those in who are signed in.
func (c *Console) signedIn(next func(http.ResponseWriter, *http.Request, visitor)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := c.visitor(r)
		switch {
		case errors.Is(err, access.ErrNoSession):
			http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
		case err != nil:
			c.fail(w, r, nil, err)
		default:
			next(w, r, who)
		}
	})
}

func (c *Console) visitor(r *http.Request) (visitor, error) {
	token, err := r.Cookie(cookie)
	if err != nil {
		return visitor{}, access.ErrNoSession
	}
	account, err := c.Access.Session(r.Context(), token.Value)
	if err != nil {
		return visitor{}, err
	}
	return visitor{Account: account, token: token.Value, from: r.RemoteAddr}, nil
}

// home opens the first page that the role gives.
func (c *Console) home(w http.ResponseWriter, r *http.Request, who visitor) {
	for _, entry := range menu {
		if who.May(entry.Right) {
			http.Redirect(w, r, entry.Path, http.StatusSeeOther)
			return
		}
	}
	c.fail(w, r, &who, access.ErrDenied)
}

func (c *Console) signInForm(w http.ResponseWriter, r *http.Request) {
	if _, err := c.visitor(r); err == nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	c.show(w, http.StatusOK, "sign-in.html", page{Title: "Sign in"})
}

func (c *Console) signIn(w http.ResponseWriter, r *http.Request) {
	name := r.PostFormValue("name")
	token, _, err := c.Access.SignIn(r.Context(), name, r.PostFormValue("password"), r.RemoteAddr)
	if err != nil {
		status, sentence := c.sentence(r, err)
		c.show(w, status, "sign-in.html", page{Title: "Sign in", Problem: sentence, Data: name})
		return
	}
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: token, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (c *Console) signOut(w http.ResponseWriter, r *http.Request) {
	token, err := r.Cookie(cookie)
	if err == nil {
		err = c.Access.SignOut(r.Context(), token.Value)
	}
	if err != nil && !errors.Is(err, http.ErrNoCookie) {
		c.Log.Error("sign out", "error", err)
	}
	http.SetCookie(w, &http.Cookie{Name: cookie, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
}
