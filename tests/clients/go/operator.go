package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const finalizer = "go.example.com/harbour"

// Boat is a custom resource; each owns a ConfigMap of its name.
type Boat struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              struct {
		Sails int `json:"sails"`
	} `json:"spec"`
	Status struct {
		Set int `json:"set"`
	} `json:"status,omitempty"`
}

// BoatList is many of them.
type BoatList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Boat `json:"items"`
}

func copied[T any](from, to *T) *T {
	text, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	if err != nil {
		panic(err)
	}
	return to
}

// DeepCopyObject makes it a runtime.Object.
func (b *Boat) DeepCopyObject() runtime.Object { return copied(b, &Boat{}) }

// DeepCopyObject makes it a runtime.Object.
func (l *BoatList) DeepCopyObject() runtime.Object { return copied(l, &BoatList{}) }

// reconciler keeps a ConfigMap for each boat.
type reconciler struct {
	client.Client
	events record.EventRecorder
}

func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var boat Boat
	if err := r.Get(ctx, request.NamespacedName, &boat); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !boat.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, r.moor(ctx, &boat)
	}
	if controllerutil.AddFinalizer(&boat, finalizer) {
		if err := r.Update(ctx, &boat); err != nil {
			return ctrl.Result{}, err
		}
	}
	log := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: boat.Name, Namespace: boat.Namespace}}
	done, err := controllerutil.CreateOrUpdate(ctx, r.Client, log, func() error {
		log.Data = map[string]string{"sails": fmt.Sprint(boat.Spec.Sails)}
		return controllerutil.SetControllerReference(&boat, log, r.Scheme())
	})
	if err != nil {
		return ctrl.Result{}, err
	}
	if done != controllerutil.OperationResultNone {
		r.events.Eventf(&boat, corev1.EventTypeNormal, "Rigged", "%d sails", boat.Spec.Sails)
	}
	if boat.Status.Set == boat.Spec.Sails {
		return ctrl.Result{}, nil
	}
	before := boat.DeepCopyObject().(*Boat)
	boat.Status.Set = boat.Spec.Sails
	return ctrl.Result{}, r.Status().Patch(ctx, &boat, client.MergeFrom(before))
}

// moor does what must be done before a boat may go: it leaves a note in the log of the harbour.
func (r *reconciler) moor(ctx context.Context, boat *Boat) error {
	note := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "moored-" + boat.Name, Namespace: boat.Namespace}}
	if err := client.IgnoreAlreadyExists(r.Create(ctx, note)); err != nil {
		return err
	}
	controllerutil.RemoveFinalizer(boat, finalizer)
	return client.IgnoreNotFound(r.Update(ctx, boat))
}

// runOperator is an operator as users write them with controller-runtime: a manager with its cache, leader election, a
// kind of its own with a finalizer, a built-in kind that it owns, status and events.
func runOperator() error {
	ctrl.SetLogger(zap.New(zap.WriteTo(os.Stderr)))
	version := schema.GroupVersion{Group: "go.example.com", Version: "v1"}
	scheme.Scheme.AddKnownTypes(version, &Boat{}, &BoatList{})
	metav1.AddToGroupVersion(scheme.Scheme, version)
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                        scheme.Scheme,
		Metrics:                       server.Options{BindAddress: "0"},
		LeaderElection:                true,
		LeaderElectionID:              "boats.go.example.com",
		LeaderElectionNamespace:       "default",
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return err
	}
	boats := &reconciler{manager.GetClient(), manager.GetEventRecorderFor("harbour")}
	if err := ctrl.NewControllerManagedBy(manager).For(&Boat{}).Owns(&corev1.ConfigMap{}).Complete(boats); err != nil {
		return err
	}
	return manager.Start(ctrl.SetupSignalHandler())
}
